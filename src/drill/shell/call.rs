//! Which command a name is: a function, the shell's own, a tool, a script in a file, or something of the world outside.

use super::files::Access;
use super::state::{Fd, Flow, Options, Outcome, Shell};
use super::{Call, builtins, tools};
use brush_parser::ast::IoRedirect;

impl Shell<'_> {
    /// Calls a command by its words, of which there is one at least.
    pub(super) fn call(&mut self, words: &[String]) -> Outcome {
        let name = words[0].as_str();
        if let Some(body) = self.functions.get(name).cloned() {
            return self.function(name, &body, &words[1..]);
        }
        self.unfunctioned(words)
    }

    /// The same, but no function: as `command` does.
    pub(super) fn unfunctioned(&mut self, words: &[String]) -> Outcome {
        match builtins::of(&words[0]) {
            Some(builtin) => builtin(self, words),
            None => self.external(words),
        }
    }

    /// A command that is no shell's: of `sudo`, `xargs`, `env` and the like.
    pub(super) fn external(&mut self, words: &[String]) -> Outcome {
        self.step()?;
        let name = words[0].as_str();
        if let Some((_, base)) = name.rsplit_once('/') {
            return self.at_path(name, base, words);
        }
        if let Some(tool) = tools::of(name) {
            return tool(self, words);
        }
        if builtins::EXTERNAL.contains(&name)
            && let Some(builtin) = builtins::of(name)
        {
            return builtin(self, words);
        }
        self.outside(name, &words[1..])
    }

    pub(super) fn outside(&mut self, name: &str, args: &[String]) -> Outcome {
        // A look, not a reading: nobody knows how much of it the command takes, and a loop's next line must not go.
        let stdin = match self.fds.get(&0) {
            Some(Fd::Input(input)) => {
                let input = input.borrow();
                input.bytes.get(input.at..).unwrap_or_default().to_vec()
            }
            _ => Vec::new(),
        };
        let call = Call {
            name: name.to_owned(),
            args: args.to_vec(),
            env: self.exported(),
            stdin,
            folder: super::files::absolute("/", &self.folder),
            user: self.user.clone(),
        };
        let done = {
            let mut files = self.files();
            self.world.borrow_mut().outside.command(&call, &mut files)
        };
        let Some(done) = done else {
            self.complain(format!("{name}: command not found"));
            return Ok(127);
        };
        if done.seconds > 0.0 {
            self.wait(done.seconds)?;
        }
        self.out(&done.out)?;
        let _ = self.write(2, &done.err)?;
        Ok(done.code & 255)
    }

    /// `./deploy.sh`, `/usr/bin/docker`
    fn at_path(&mut self, path: &str, base: &str, words: &[String]) -> Outcome {
        let place = self.place(path);
        let (there, folder, runs) = {
            let files = self.files();
            let node = files.get(&place);
            (node.is_some(), node.is_some_and(super::Node::is_folder), files.may(&self.user, &place, Access::Run))
        };
        if folder {
            self.complain(format!("{path}: Is a directory"));
            return Ok(126);
        }
        if !there {
            if self.is_program(&place, base) {
                let mut words = words.to_vec();
                base.clone_into(&mut words[0]);
                return self.external(&words);
            }
            self.complain(format!("{path}: No such file or directory"));
            return Ok(127);
        }
        if !runs {
            self.complain(format!("{path}: Permission denied"));
            return Ok(126);
        }
        let text = match self.read_file(path) {
            Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            Err(why) => {
                self.complain(format!("{path}: {why}"));
                return Ok(126);
            }
        };
        self.interpreted(path, base, &text, words)
    }

    /// A script goes to the interpreter that its first line names.
    fn interpreted(&mut self, path: &str, base: &str, text: &str, words: &[String]) -> Outcome {
        let first = text.lines().next().unwrap_or_default();
        let Some(interpreter) = first.strip_prefix("#!") else {
            if (text.is_empty() || text.starts_with('\u{7f}')) && self.world.borrow().outside.has(base) {
                return self.outside(base, &words[1..]);
            }
            return self.script(path, text, &words[1..], Options::default());
        };
        let mut all = by_interpreter(interpreter);
        all.push(path.to_owned());
        all.extend(words[1..].iter().cloned());
        self.external(&all)
    }

    /// A program that this shell knows by its name stands where programs do, though no file does.
    fn is_program(&self, place: &str, base: &str) -> bool {
        let folders = ["/bin/", "/sbin/", "/usr/bin/", "/usr/sbin/", "/usr/local/bin/"];
        folders.iter().any(|begin| place == format!("{begin}{base}")) && self.knows(base)
    }

    /// A program of that name is there for whoever runs it.
    fn knows(&self, name: &str) -> bool {
        tools::of(name).is_some() || builtins::EXTERNAL.contains(&name) || self.world.borrow().outside.has(name)
    }

    /// Runs a script in a shell of its own, which knows what was exported.
    pub(super) fn script(&mut self, name: &str, text: &str, args: &[String], options: Options) -> Outcome {
        let mut shell = self.sub()?;
        shell.vars.retain(|_, var| var.exported);
        shell.functions.clear();
        shell.hidden.clear();
        shell.names.clear();
        shell.options = options;
        shell.args = args.to_vec();
        name.clone_into(&mut shell.name);
        (shell.lenient, shell.loops, shell.sourcing, shell.line, shell.status) = (0, 0, 0, 0, 0);
        shell.pid = shell.next_pid();
        let fds = [0, 1, 2];
        shell.fds.retain(|fd, _| fds.contains(fd) || *fd < 60);
        shell.finish(|shell| match super::parse::program(text) {
            Ok(_) if shell.options.noexec => Ok(0),
            Ok(program) => shell.program(&program),
            Err(why) => {
                let why = format!("{}: syntax error: {why}\n", shell.name);
                shell.say(&why);
                Ok(2)
            }
        })
    }

    /// `exec`: with a command it is the last one, without one its redirections stay.
    pub(super) fn exec<'t>(&mut self, words: &[String], redirects: impl Iterator<Item = &'t IoRedirect>) -> Outcome {
        let words = if words.first().is_some_and(|word| word == "--") { &words[1..] } else { words };
        if !self.redirect(redirects)? {
            return Err(Flow::Exit(1));
        }
        if words.is_empty() {
            return Ok(0);
        }
        self.traps.retain(|_, body| body.is_empty());
        let status = self.external(words)?;
        Err(Flow::Exit(status))
    }

    /// How `command -v` calls it.
    pub(super) fn found(&self, name: &str) -> Option<String> {
        if self.functions.contains_key(name) || builtins::of(name).is_some() {
            return Some(name.to_owned());
        }
        if [
            "if", "then", "else", "elif", "fi", "case", "esac", "for", "while", "until", "do", "done", "in",
            "function", "{", "}", "!", "[[", "]]", "time", "coproc", "select",
        ]
        .contains(&name)
        {
            return Some(name.to_owned());
        }
        self.found_file(name)
    }

    /// Where a command that is no shell's lies.
    pub(super) fn found_file(&self, name: &str) -> Option<String> {
        if name.contains('/') {
            let place = self.place(name);
            let files = self.files();
            let runs =
                files.get(&place).is_some_and(|node| !node.is_folder()) && files.may(&self.user, &place, Access::Run);
            return runs.then(|| name.to_owned());
        }
        self.knows(name).then(|| format!("/usr/bin/{name}"))
    }
}

/// The words of a script's first line, behind `#!`: `/usr/bin/env bash` is `bash`.
fn by_interpreter(line: &str) -> Vec<String> {
    let mut parts = line.split_whitespace().peekable();
    parts.next_if(|part| part.ends_with("/env"));
    let name = parts.next().map_or("", |part| part.rsplit('/').next().unwrap_or(part));
    std::iter::once(name).chain(parts).map(str::to_owned).collect()
}
