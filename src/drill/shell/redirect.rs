//! Where a command reads from and writes to.

use super::files::{Trouble, Who};
use super::state::{Fd, Flow, Outcome, Shell};
use brush_parser::ast::{IoFileRedirectKind as Kind, IoFileRedirectTarget as Target, IoRedirect};

/// Where what is written to `/dev/stderr` by name goes through.
const NAMED: i32 = 999;

impl Shell<'_> {
    /// Runs something with its redirections, and takes them back.
    pub(super) fn redirected<'t>(
        &mut self,
        redirects: Option<impl Iterator<Item = &'t IoRedirect>>,
        body: impl FnOnce(&mut Self) -> Outcome,
    ) -> Outcome {
        let mut redirects = redirects.into_iter().flatten().peekable();
        if redirects.peek().is_none() {
            return body(self);
        }
        let kept = self.fds.clone();
        let came = match self.redirect(redirects) {
            Ok(true) => body(self),
            Ok(false) => Ok(1),
            Err(flow) => Err(flow),
        };
        self.fds = kept;
        came
    }

    /// `false`: one can't be opened, and that was said.
    pub(super) fn redirect<'t>(&mut self, redirects: impl Iterator<Item = &'t IoRedirect>) -> Result<bool, Flow> {
        for redirect in redirects {
            let done = match redirect {
                IoRedirect::File(fd, kind, target) => self.open(*fd, kind, target)?,
                IoRedirect::HereDocument(fd, document) => {
                    let text = if document.requires_expansion {
                        self.document(&document.doc.value)?
                    } else {
                        document.doc.value.clone()
                    };
                    self.fds.insert(fd.unwrap_or(0), Fd::input(text.into_bytes()));
                    true
                }
                IoRedirect::HereString(fd, word) => {
                    let text = self.text(&word.value)? + "\n";
                    self.fds.insert(fd.unwrap_or(0), Fd::input(text.into_bytes()));
                    true
                }
                IoRedirect::OutputAndError(word, append) => {
                    let path = self.text(&word.value)?;
                    let done = self.open_path(1, if *append { &Kind::Append } else { &Kind::Write }, &path);
                    if let Some(fd) = self.fds.get(&1).cloned().filter(|_| done) {
                        self.fds.insert(2, fd);
                    }
                    done
                }
            };
            if !done {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn open(&mut self, fd: Option<i32>, kind: &Kind, target: &Target) -> Result<bool, Flow> {
        let fd = fd.unwrap_or(match kind {
            Kind::Read | Kind::DuplicateInput | Kind::ReadAndWrite => 0,
            _ => 1,
        });
        match target {
            Target::Filename(word) => {
                let mut words = self.words([word.value.as_str()])?;
                let Some(path) = words.pop().filter(|_| words.is_empty()) else {
                    self.complain(format!("{}: ambiguous redirect", word.value));
                    return Ok(false);
                };
                Ok(self.open_path(fd, kind, &path))
            }
            Target::Fd(from) => Ok(self.duplicate(fd, &from.to_string())),
            Target::Duplicate(word) => {
                let from = self.text(&word.value)?;
                if from.parse::<i32>().is_err()
                    && from != "-"
                    && !from.ends_with('-')
                    && matches!(kind, Kind::DuplicateOutput)
                {
                    // `>&file` is both outputs.
                    let done = self.open_path(1, &Kind::Write, &from);
                    return Ok(done && self.duplicate(2, "1"));
                }
                Ok(self.duplicate(fd, &from))
            }
            Target::ProcessSubstitution(substitution, body) => {
                let path = self.process(substitution, body)?;
                Ok(self.open_path(fd, kind, &path))
            }
        }
    }

    fn duplicate(&mut self, fd: i32, from: &str) -> bool {
        if from == "-" {
            self.fds.remove(&fd);
            return true;
        }
        let (number, moved) = from.strip_suffix('-').map_or((from, false), |number| (number, true));
        let found = number.parse::<i32>().ok().and_then(|number| Some((number, self.fds.get(&number)?.clone())));
        let Some((number, found)) = found else {
            self.complain(format!("{from}: Bad file descriptor"));
            return false;
        };
        self.fds.insert(fd, found);
        if moved {
            self.fds.remove(&number);
        }
        true
    }

    fn open_path(&mut self, fd: i32, kind: &Kind, path: &str) -> bool {
        let opened = match kind {
            Kind::Read | Kind::DuplicateInput => self.open_input(path),
            _ => self.open_output(path, kind),
        };
        match opened {
            Ok(opened) => {
                self.fds.insert(fd, opened);
                true
            }
            Err(why) => {
                self.complain(format!("{path}: {why}"));
                false
            }
        }
    }

    fn open_input(&mut self, path: &str) -> Result<Fd, String> {
        let known = self.device(path)?;
        match known {
            Some(fd) => Ok(fd),
            None => Ok(Fd::input(self.read_file(path)?)),
        }
    }

    /// `/dev/null` and its like.
    fn device(&mut self, path: &str) -> Result<Option<Fd>, String> {
        let number = match path {
            "/dev/null" | "/dev/tty" => return Ok(Some(Fd::Null)),
            "/dev/stdin" => 0,
            "/dev/stdout" => 1,
            "/dev/stderr" => 2,
            _ => match path
                .strip_prefix("/dev/fd/")
                .or_else(|| path.strip_prefix("/proc/self/fd/"))
                .and_then(|number| number.parse().ok())
            {
                Some(number) if !self.world.borrow().substituted.contains_key(path) => number,
                _ => return Ok(None),
            },
        };
        self.fds.get(&number).cloned().map(Some).ok_or_else(|| Trouble::Missing.to_string())
    }

    fn open_output(&mut self, path: &str, kind: &Kind) -> Result<Fd, String> {
        if let Some(fd) = self.device(path)? {
            return Ok(fd);
        }
        if path.is_empty() {
            return Err(Trouble::Missing.to_string());
        }
        let (who, place) = (self.who(), self.place(path));
        let keep = matches!(kind, Kind::Append | Kind::ReadAndWrite);
        let mut files = self.files();
        if self.options.noclobber && matches!(kind, Kind::Write) && files.get(&place).is_some() {
            return Err("cannot overwrite existing file".to_owned());
        }
        let time = files.get(&place).map(|node| node.time);
        files.write(&who, &place, b"", keep).map_err(|why| why.to_string())?;
        let real = files.real(&place).map_err(|why| why.to_string())?;
        // Opened is not written.
        if let (true, Some(time), Some(node)) = (keep, time, files.look_mut(&real)) {
            node.time = time;
        }
        Ok(Fd::File(real))
    }

    /// A path as seen from here.
    pub(super) fn place(&self, path: &str) -> String {
        if path.starts_with('/') { path.to_owned() } else { format!("{}/{path}", self.folder) }
    }

    /// What is in a file, made-up ones included.
    pub(super) fn read_file(&mut self, path: &str) -> Result<Vec<u8>, String> {
        match self.device(path)? {
            Some(Fd::Input(input)) => {
                let mut input = input.borrow_mut();
                let rest = input.bytes.get(input.at..).unwrap_or_default().to_vec();
                input.at = input.bytes.len();
                return Ok(rest);
            }
            Some(_) => return Ok(Vec::new()),
            None => {}
        }
        if let Some(bytes) = self.world.borrow().substituted.get(path) {
            return Ok(bytes.clone());
        }
        if path.is_empty() {
            return Err(Trouble::Missing.to_string());
        }
        let (who, place) = (self.who(), self.place(path));
        let read = self.files().read(&who, &place).map(<[u8]>::to_vec);
        match read {
            Err(Trouble::Missing) => {
                let made = self.world.borrow_mut().outside.file(&super::files::absolute("", &place));
                made.ok_or_else(|| Trouble::Missing.to_string())
            }
            other => other.map_err(|why| why.to_string()),
        }
    }

    /// Writes a file anew.
    pub(super) fn write_file(&mut self, path: &str, bytes: &[u8], behind: bool) -> Result<(), String> {
        if let Some(fd) = self.device(path)? {
            let kept = self.fds.insert(NAMED, fd);
            let written = self.write(NAMED, bytes);
            self.fds.remove(&NAMED);
            self.fds.extend(kept.map(|kept| (NAMED, kept)));
            return if written == Ok(true) { Ok(()) } else { Err("Bad file descriptor".to_owned()) };
        }
        let (who, place): (Who, String) = (self.who(), self.place(path));
        let came = self.files().write(&who, &place, bytes, behind);
        came.map_err(|why| why.to_string())
    }
}
