//! `find`.

use super::super::files::{Kind, Node};
use super::super::pattern::Pattern;
use super::super::state::{Flow, Outcome, Shell};
use super::format::percent;
use super::{date, list};

/// What is asked of a path.
enum Test {
    Name(Pattern, bool),
    Path(Pattern),
    Type(char),
    /// `-mtime`, `-mmin`: sign, number, seconds of one.
    Age(char, f64, f64),
    Newer(f64),
    Size(char, usize, usize),
    Empty,
    User(String),
    Perm(u32),
    Yes,
    Print,
    Print0,
    Printf(String),
    Delete,
    Quit,
    Prune,
    Exec(Vec<String>, bool),
    Not(Box<Test>),
    And(Vec<Test>),
    Or(Vec<Test>),
}

/// One path that is looked at.
struct Seen<'a> {
    path: &'a str,
    place: &'a str,
    node: &'a Node,
    /// The root that it was found below.
    root: &'a str,
    depth: usize,
}

#[derive(Default)]
struct Walk {
    least: usize,
    most: Option<usize>,
    depth_first: bool,
    acts: bool,
    together: Vec<String>,
    quit: bool,
    pruned: Option<String>,
    status: i32,
}

pub(super) fn find(shell: &mut Shell<'_>, words: &[String]) -> Outcome {
    let begin = words[1..].iter().position(|word| word.starts_with(['-', '(', '!'])).map_or(words.len(), |at| at + 1);
    let roots = if begin == 1 { vec![".".to_owned()] } else { words[1..begin].to_vec() };
    let (mut walk, mut at) = (Walk::default(), begin);
    let test = match ways(shell, words, &mut at, &mut walk, 0) {
        Ok(test) if at == words.len() => test,
        Ok(_) => return shell.wrong(1, format!("find: this drill does not know `{}' here", words[at])),
        Err(why) => return shell.wrong(1, format!("find: {why}")),
    };
    for root in roots {
        walk_one(shell, &root, &test, &mut walk)?;
        if walk.quit {
            break;
        }
    }
    if !walk.together.is_empty()
        && let Some(command) = together(&test)
    {
        let call: Vec<String> = command.iter().cloned().chain(std::mem::take(&mut walk.together)).collect();
        if shell.sub()?.finish(|shell| shell.external(&call))? != 0 {
            walk.status = 1;
        }
    }
    Ok(walk.status)
}

/// The command of `-exec … +`.
fn together(test: &Test) -> Option<&Vec<String>> {
    match test {
        Test::Exec(command, true) => Some(command),
        Test::And(all) | Test::Or(all) => all.iter().find_map(together),
        Test::Not(one) => together(one),
        _ => None,
    }
}

fn walk_one(shell: &mut Shell<'_>, root: &str, test: &Test, walk: &mut Walk) -> Result<(), Flow> {
    let place = shell.place(root);
    let (begin, mut all) = {
        let files = shell.files();
        // A root that is a link is itself, unless it ends with a slash.
        let begin = if root.ends_with('/') { files.real(&place) } else { files.place(&place) }.unwrap_or_default();
        (begin.clone(), files.below(&begin))
    };
    if all.is_empty() {
        walk.status = shell.wrong(1, format!("find: ‘{root}’: No such file or directory"))?;
        return Ok(());
    }
    if walk.depth_first {
        all.reverse();
    }
    for place in all {
        let rest = &place[begin.len()..];
        let depth = rest.matches('/').count();
        let pruned = walk.pruned.as_ref().is_some_and(|pruned| place.starts_with(pruned.as_str()));
        if pruned || depth < walk.least || walk.most.is_some_and(|most| depth > most) {
            continue;
        }
        let node = shell.files().look(&place).cloned();
        let Some(node) = node else { continue };
        let path = if rest.is_empty() { root.to_owned() } else { format!("{}{rest}", root.trim_end_matches('/')) };
        shell.step()?;
        let seen = Seen { path: &path, place: &place, node: &node, root, depth };
        if holds(shell, test, &seen, walk)? && !walk.acts {
            shell.out(format!("{path}\n"))?;
        }
        if walk.quit {
            break;
        }
    }
    Ok(())
}

fn ways(shell: &Shell<'_>, words: &[String], at: &mut usize, walk: &mut Walk, depth: usize) -> Result<Test, String> {
    if depth > 30 {
        return Err("this drill goes no deeper than 30 brackets".to_owned());
    }
    let (mut all, mut now) = (Vec::new(), Vec::new());
    while let Some(word) = words.get(*at) {
        match word.as_str() {
            ")" => break,
            "-o" | "-or" => {
                *at += 1;
                all.push(Test::And(std::mem::take(&mut now)));
            }
            "-a" | "-and" => *at += 1,
            _ => now.push(one(shell, words, at, walk, depth)?),
        }
    }
    all.push(Test::And(now));
    Ok(Test::Or(all))
}

fn one(shell: &Shell<'_>, words: &[String], at: &mut usize, walk: &mut Walk, depth: usize) -> Result<Test, String> {
    let name = words[*at].as_str();
    *at += 1;
    match name {
        "!" | "-not" if *at < words.len() && depth < 30 => {
            Ok(Test::Not(Box::new(one(shell, words, at, walk, depth + 1)?)))
        }
        "(" => {
            let test = ways(shell, words, at, walk, depth + 1)?;
            *at += 1;
            let open = "invalid expression; I was expecting to find a ')' somewhere but did not see one.";
            if *at <= words.len() { Ok(test) } else { Err(open.to_owned()) }
        }
        "-exec" => {
            walk.acts = true;
            exec(words, at)
        }
        _ if VALUED.contains(&name) => {
            let value = words.get(*at).ok_or_else(|| format!("missing argument to `{name}'"))?;
            *at += 1;
            walk.acts |= name == "-printf";
            valued(shell, name, value, walk).ok_or_else(|| format!("invalid argument `{value}' to `{name}'"))
        }
        _ => plain(name, walk).ok_or_else(|| format!("this drill does not know `{name}'")),
    }
}

/// Those that take a value.
const VALUED: [&str; 14] = [
    "-name",
    "-iname",
    "-path",
    "-wholename",
    "-type",
    "-mtime",
    "-mmin",
    "-newer",
    "-size",
    "-user",
    "-perm",
    "-maxdepth",
    "-mindepth",
    "-printf",
];

/// `-exec COMMAND… ;`, `-exec COMMAND… {} +`
fn exec(words: &[String], at: &mut usize) -> Result<Test, String> {
    let end = (*at..words.len()).find(|end| words[*end] == ";" || (words[*end] == "+" && words[*end - 1] == "{}"));
    let end = end.ok_or("missing argument to `-exec'")?;
    let plus = words[end] == "+";
    let command = words[*at..if plus { end - 1 } else { end }].to_vec();
    *at = end + 1;
    if command.is_empty() { Err("invalid argument `;' to `-exec'".to_owned()) } else { Ok(Test::Exec(command, plus)) }
}

/// Those that take none.
fn plain(name: &str, walk: &mut Walk) -> Option<Test> {
    walk.acts |= matches!(name, "-print" | "-print0" | "-delete");
    walk.depth_first |= matches!(name, "-depth" | "-delete");
    Some(match name {
        "-empty" => Test::Empty,
        "-true" | "-xdev" | "-mount" | "-noleaf" | "-depth" => Test::Yes,
        "-print" => Test::Print,
        "-print0" => Test::Print0,
        "-delete" => Test::Delete,
        "-quit" => Test::Quit,
        "-prune" => Test::Prune,
        _ => return None,
    })
}

fn valued(shell: &Shell<'_>, name: &str, value: &str, walk: &mut Walk) -> Option<Test> {
    let (sign, number) = match value.chars().next() {
        Some(sign @ ('+' | '-')) => (sign, &value[1..]),
        _ => ('=', value),
    };
    Some(match name {
        "-name" => Test::Name(Pattern::new(value), false),
        "-iname" => Test::Name(Pattern::new(&value.to_lowercase()), true),
        "-path" | "-wholename" => Test::Path(Pattern::new(value)),
        "-type" => Test::Type(value.chars().next().filter(|kind| "fdl".contains(*kind))?),
        "-mtime" => Test::Age(sign, number.parse().ok()?, 86_400.0),
        "-mmin" => Test::Age(sign, number.parse().ok()?, 60.0),
        "-newer" => Test::Newer(shell.files().get(&shell.place(value))?.time),
        "-user" => Test::User(value.to_owned()),
        "-perm" => Test::Perm(u32::from_str_radix(value, 8).ok()?),
        "-size" => {
            let (digits, unit) = match number.chars().last()? {
                'c' => (&number[..number.len() - 1], 1),
                'k' => (&number[..number.len() - 1], 1 << 10),
                'M' => (&number[..number.len() - 1], 1 << 20),
                'G' => (&number[..number.len() - 1], 1 << 30),
                _ => (number, 512),
            };
            Test::Size(sign, digits.parse().ok()?, unit)
        }
        "-maxdepth" => {
            walk.most = Some(value.parse().ok()?);
            Test::Yes
        }
        "-mindepth" => {
            walk.least = value.parse().ok()?;
            Test::Yes
        }
        _ => Test::Printf(value.to_owned()),
    })
}

fn signed<T: PartialOrd>(sign: char, left: &T, right: &T) -> bool {
    match sign {
        '+' => left > right,
        '-' => left < right,
        _ => left == right,
    }
}

fn holds(shell: &mut Shell<'_>, test: &Test, seen: &Seen<'_>, walk: &mut Walk) -> Result<bool, Flow> {
    let base = seen.path.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
    Ok(match test {
        Test::Yes => true,
        Test::Name(pattern, any) => pattern.matches(&if *any { base.to_lowercase() } else { base.to_owned() }),
        Test::Path(pattern) => pattern.matches(seen.path),
        Test::Type(kind) => {
            matches!((kind, &seen.node.kind), ('f', Kind::File(_)) | ('d', Kind::Folder) | ('l', Kind::Link(_)))
        }
        Test::Age(sign, number, unit) => {
            let age = shell.now() - seen.node.time;
            // Days that are not over do not count; minutes are compared as they are.
            let age = if *unit > 60.0 || *sign == '=' { (age / unit).floor() } else { age / unit };
            signed(*sign, &age, number)
        }
        Test::Newer(time) => seen.node.time > *time,
        Test::Size(sign, number, unit) => signed(*sign, &seen.node.size().div_ceil(*unit), number),
        Test::Empty => match &seen.node.kind {
            Kind::Folder => shell.files().names(seen.place).is_empty(),
            _ => seen.node.size() == 0,
        },
        Test::User(user) => seen.node.owner == *user,
        Test::Perm(mode) => seen.node.mode == *mode,
        Test::Not(one) => !holds(shell, one, seen, walk)?,
        Test::And(all) => {
            for one in all {
                if !holds(shell, one, seen, walk)? {
                    return Ok(false);
                }
            }
            true
        }
        Test::Or(all) => {
            for one in all {
                if holds(shell, one, seen, walk)? {
                    return Ok(true);
                }
            }
            false
        }
        action => act(shell, action, seen, walk)?,
    })
}

fn act(shell: &mut Shell<'_>, action: &Test, seen: &Seen<'_>, walk: &mut Walk) -> Result<bool, Flow> {
    match action {
        Test::Print => shell.out(format!("{}\n", seen.path))?,
        Test::Print0 => shell.out(format!("{}\0", seen.path))?,
        Test::Printf(format) => match printed(format, seen) {
            Ok(text) => shell.out(text)?,
            Err(odd) => {
                walk.status = shell.wrong(1, format!("find: this drill does not know %{odd} of -printf"))?;
                walk.quit = true;
            }
        },
        Test::Delete => {
            let who = shell.who();
            let came = shell.files().remove(&who, seen.place);
            if let Err(why) = came {
                walk.status = shell.wrong(1, format!("find: cannot delete ‘{}’: {why}", seen.path))?;
                return Ok(false);
            }
        }
        Test::Quit => walk.quit = true,
        Test::Prune => walk.pruned = Some(format!("{}/", seen.place)),
        Test::Exec(_, true) => walk.together.push(seen.path.to_owned()),
        Test::Exec(command, _) => {
            let call: Vec<String> = command.iter().map(|word| word.replace("{}", seen.path)).collect();
            return Ok(shell.sub()?.finish(|shell| shell.external(&call))? == 0);
        }
        _ => {}
    }
    Ok(true)
}

fn printed(format: &str, seen: &Seen<'_>) -> Result<String, String> {
    let format = super::super::escapes::decoded(format, true).0;
    let below = seen.path.strip_prefix(seen.root).unwrap_or(seen.path).trim_start_matches('/');
    percent(&format, |letter, all| {
        Ok(match letter {
            'p' => seen.path.to_owned(),
            'P' => below.to_owned(),
            'f' => seen.path.trim_end_matches('/').rsplit('/').next().unwrap_or_default().to_owned(),
            'h' => seen.path.rsplit_once('/').map_or(".", |(folder, _)| folder).to_owned(),
            's' => seen.node.size().to_string(),
            'm' => format!("{:o}", seen.node.mode),
            'M' => list::rights(seen.node),
            'u' => seen.node.owner.clone(),
            'g' => seen.node.group.clone(),
            'd' => seen.depth.to_string(),
            'y' => match seen.node.kind {
                Kind::Folder => "d",
                Kind::File(_) => "f",
                Kind::Link(_) => "l",
            }
            .to_owned(),
            't' => date::formatted(seen.node.time, "%a %b %e %H:%M:%S.%N0 %Y").unwrap_or_default(),
            'T' => match all.next() {
                Some('@') => format!("{:.10}", seen.node.time),
                Some('+') => date::formatted(seen.node.time, "%Y-%m-%d+%H:%M:%S.%N0").unwrap_or_default(),
                Some(letter) => {
                    date::formatted(seen.node.time, &format!("%{letter}")).map_err(|_| format!("T{letter}"))?
                }
                None => return Err("T".to_owned()),
            },
            odd => return Err(odd.to_string()),
        })
    })
}
