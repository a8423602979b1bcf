//! The files of a machine, in memory: folders, files, symbolic links, whose they are and who may what.

use std::collections::BTreeMap;
use std::ops::Bound;

/// All files together hold at most so many bytes: then no space is left.
pub const CAPACITY: usize = 64 << 20;
/// So many links are followed in one path.
const LINKS: usize = 16;

/// What a name stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A folder.
    Folder,
    /// A file and what is in it.
    File(Vec<u8>),
    /// A symbolic link and what it says.
    Link(String),
}

/// A file, folder or link.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// What it is.
    pub kind: Kind,
    /// Permissions: the lower twelve bits.
    pub mode: u32,
    /// Whose it is.
    pub owner: String,
    /// The group it belongs to.
    pub group: String,
    /// When it was changed last: seconds since 1970.
    pub time: f64,
}

impl Node {
    /// Its bytes, if it is a file.
    pub fn bytes(&self) -> Option<&[u8]> {
        match &self.kind {
            Kind::File(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// Whether it is a folder.
    pub fn is_folder(&self) -> bool {
        self.kind == Kind::Folder
    }

    /// What `ls -l` and `stat` count.
    pub fn size(&self) -> usize {
        match &self.kind {
            Kind::Folder => 4096,
            Kind::File(bytes) => bytes.len(),
            Kind::Link(to) => to.len(),
        }
    }
}

/// Why something can't be done, as the C library says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Trouble {
    /// ENOENT
    #[error("No such file or directory")]
    Missing,
    /// EEXIST
    #[error("File exists")]
    Exists,
    /// EISDIR
    #[error("Is a directory")]
    Folder,
    /// ENOTDIR
    #[error("Not a directory")]
    NoFolder,
    /// ENOTEMPTY
    #[error("Directory not empty")]
    NotEmpty,
    /// EACCES
    #[error("Permission denied")]
    Denied,
    /// EPERM
    #[error("Operation not permitted")]
    NotYours,
    /// ELOOP
    #[error("Too many levels of symbolic links")]
    Loop,
    /// ENOSPC
    #[error("No space left on device")]
    Full,
    /// EINVAL
    #[error("Invalid argument")]
    Invalid,
}

/// Who does something to files, and when.
#[derive(Clone, Debug)]
pub struct Who {
    /// The user; `root` may everything.
    pub user: String,
    /// What new files are not to have of 0666, folders of 0777.
    pub umask: u32,
    /// Seconds since 1970.
    pub now: f64,
}

impl Who {
    /// The machine itself.
    pub fn root(now: f64) -> Self {
        Self { user: "root".to_owned(), umask: 0o022, now }
    }
}

/// A folder's or file's permission.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// 4
    Read,
    /// 2
    Write,
    /// 1
    Run,
}

/// The files of one machine. Paths are absolute; `.` and `..` are taken as they are meant.
#[derive(Clone, Debug)]
pub struct Files {
    /// By path without a slash at the end; the root is the empty one.
    nodes: BTreeMap<String, Node>,
    /// Of all files together.
    bytes: usize,
}

impl Default for Files {
    fn default() -> Self {
        let root =
            Node { kind: Kind::Folder, mode: 0o755, owner: "root".to_owned(), group: "root".to_owned(), time: 0.0 };
        Self { nodes: BTreeMap::from([(String::new(), root)]), bytes: 0 }
    }
}

/// `folder` and `path` in one, without `.`, `..` and doubled slashes; no link is followed. The root is the empty text.
pub fn absolute(folder: &str, path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    let all = if path.starts_with('/') { path.to_owned() } else { format!("{folder}/{path}") };
    for part in all.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.iter().map(|part| format!("/{part}")).collect()
}

/// The folder of an absolute path, and the name in it.
pub fn split(path: &str) -> (&str, &str) {
    path.rsplit_once('/').unwrap_or(("", path))
}

impl Files {
    /// Nothing but `/`.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets a file up, with all folders that lead there: whoever asks is not asked whether they may.
    pub fn put(&mut self, path: &str, bytes: impl Into<Vec<u8>>, mode: u32, owner: &str, time: f64) {
        self.set(path, Kind::File(bytes.into()), mode, owner, time);
    }

    /// Sets a folder up, with all folders that lead there.
    pub fn put_folder(&mut self, path: &str, mode: u32, owner: &str, time: f64) {
        self.set(path, Kind::Folder, mode, owner, time);
    }

    /// Sets a symbolic link up.
    pub fn put_link(&mut self, path: &str, to: &str, time: f64) {
        self.set(path, Kind::Link(to.to_owned()), 0o777, "root", time);
    }

    fn set(&mut self, path: &str, kind: Kind, mode: u32, owner: &str, time: f64) {
        let path = absolute("", path);
        for (at, _) in path.match_indices('/').skip(1) {
            if !self.nodes.contains_key(&path[..at]) {
                let kind = Kind::Folder;
                self.insert(path[..at].to_owned(), Node { kind, mode: 0o755, ..node(owner, time) });
            }
        }
        self.insert(path, Node { kind, mode, ..node(owner, time) });
    }

    fn insert(&mut self, path: String, node: Node) {
        self.bytes += node.bytes().map_or(0, <[u8]>::len);
        if let Some(old) = self.nodes.insert(path, node) {
            self.bytes -= old.bytes().map_or(0, <[u8]>::len);
        }
    }

    fn take(&mut self, path: &str) -> Option<Node> {
        let node = self.nodes.remove(path)?;
        self.bytes -= node.bytes().map_or(0, <[u8]>::len);
        Some(node)
    }

    /// Where a path leads, all links followed; what stands there need not be.
    pub fn real(&self, path: &str) -> Result<String, Trouble> {
        self.walk(path, true)
    }

    /// The same, but a link at the end is not followed.
    pub fn place(&self, path: &str) -> Result<String, Trouble> {
        self.walk(path, false)
    }

    fn walk(&self, path: &str, last: bool) -> Result<String, Trouble> {
        let (mut at, mut links) = (String::new(), 0);
        let mut rest: Vec<String> = path.split('/').rev().map(str::to_owned).collect();
        while let Some(part) = rest.pop() {
            match part.as_str() {
                "" | "." => continue,
                ".." => {
                    at.truncate(at.rfind('/').unwrap_or(0));
                    continue;
                }
                _ => {}
            }
            match self.nodes.get(&at).map(|node| &node.kind) {
                Some(Kind::File(_)) => return Err(Trouble::NoFolder),
                None => return Err(Trouble::Missing),
                _ => {}
            }
            let next = format!("{at}/{part}");
            match self.nodes.get(&next).map(|node| &node.kind) {
                Some(Kind::Link(to)) if last || rest.iter().any(|part| !part.is_empty()) => {
                    links += 1;
                    if links > LINKS {
                        return Err(Trouble::Loop);
                    }
                    if to.starts_with('/') {
                        at.clear();
                    }
                    rest.extend(to.split('/').rev().map(str::to_owned));
                }
                _ => at = next,
            }
        }
        Ok(at)
    }

    /// What stands at a path; links are followed.
    pub fn get(&self, path: &str) -> Option<&Node> {
        self.nodes.get(&self.real(path).ok()?)
    }

    /// What stands at a path, a link as itself.
    pub fn look(&self, path: &str) -> Option<&Node> {
        self.nodes.get(&self.place(path).ok()?)
    }

    /// The same, to be changed: not what is in a file.
    pub fn look_mut(&mut self, path: &str) -> Option<&mut Node> {
        let place = self.place(path).ok()?;
        self.nodes.get_mut(&place)
    }

    /// The names in a folder, sorted. Empty for what is none.
    pub fn names(&self, folder: &str) -> Vec<String> {
        let Ok(folder) = self.real(folder) else { return Vec::new() };
        let begin = format!("{folder}/");
        let all = self.nodes.range::<str, _>((Bound::Excluded(begin.as_str()), Bound::Unbounded));
        all.map_while(|(path, _)| path.strip_prefix(&begin))
            .filter(|name| !name.contains('/'))
            .map(str::to_owned)
            .collect()
    }

    /// Whether somebody may do this to what stands at a path (links are followed).
    pub fn may(&self, who: &str, path: &str, access: Access) -> bool {
        let Some(node) = self.get(path) else { return false };
        let bit = match access {
            Access::Read => 4,
            Access::Write => 2,
            Access::Run => 1,
        };
        if who == "root" {
            return access != Access::Run || node.is_folder() || node.mode & 0o111 != 0;
        }
        let bits = if node.owner == who {
            node.mode >> 6
        } else if node.group == who {
            node.mode >> 3
        } else {
            node.mode
        };
        bits & bit != 0
    }

    /// Whether somebody may come to a path: every folder on the way can be entered.
    fn enter(&self, who: &str, path: &str) -> Result<(), Trouble> {
        let blocked = path.match_indices('/').any(|(at, _)| !self.may(who, &format!("{}/", &path[..at]), Access::Run));
        if blocked { Err(Trouble::Denied) } else { Ok(()) }
    }

    /// What is in a file.
    pub fn read(&self, who: &Who, path: &str) -> Result<&[u8], Trouble> {
        let real = self.real(path)?;
        let node = self.nodes.get(&real).ok_or(Trouble::Missing)?;
        self.enter(&who.user, &real)?;
        if !self.may(&who.user, &real, Access::Read) {
            return Err(Trouble::Denied);
        }
        node.bytes().ok_or(Trouble::Folder)
    }

    /// Writes a file anew, or behind what is in it; it is made if it is not there.
    pub fn write(&mut self, who: &Who, path: &str, bytes: &[u8], behind: bool) -> Result<(), Trouble> {
        let real = self.real(path)?;
        if path.ends_with('/') && !self.nodes.contains_key(&real) {
            return Err(Trouble::Folder);
        }
        if self.bytes + bytes.len() > CAPACITY {
            return Err(Trouble::Full);
        }
        if !self.nodes.contains_key(&real) {
            self.may_change(who, &real)?;
            let kind = Kind::File(Vec::new());
            self.insert(real.clone(), Node { kind, mode: 0o666 & !who.umask, ..node(&who.user, who.now) });
        }
        self.enter(&who.user, &real)?;
        if !self.nodes[&real].is_folder() && !self.may(&who.user, &real, Access::Write) {
            return Err(Trouble::Denied);
        }
        let Some(node) = self.nodes.get_mut(&real) else { return Err(Trouble::Missing) };
        let Kind::File(content) = &mut node.kind else { return Err(Trouble::Folder) };
        if !behind {
            self.bytes -= content.len();
            content.clear();
        }
        content.extend_from_slice(bytes);
        self.bytes += bytes.len();
        node.time = who.now;
        Ok(())
    }

    /// Whether somebody may make, move or remove this name.
    fn may_change(&self, who: &Who, place: &str) -> Result<(), Trouble> {
        let (folder, _) = split(place);
        let root = format!("{folder}/");
        match self.get(&root) {
            None => return Err(Trouble::Missing),
            Some(node) if !node.is_folder() => return Err(Trouble::NoFolder),
            Some(_) => {}
        }
        self.enter(&who.user, place)?;
        if self.may(&who.user, &root, Access::Write) { Ok(()) } else { Err(Trouble::Denied) }
    }

    /// Makes a folder.
    pub fn make_folder(&mut self, who: &Who, path: &str) -> Result<(), Trouble> {
        let place = self.place(path)?;
        if self.nodes.contains_key(&place) {
            return Err(Trouble::Exists);
        }
        self.may_change(who, &place)?;
        self.insert(place, Node { kind: Kind::Folder, mode: 0o777 & !who.umask, ..node(&who.user, who.now) });
        Ok(())
    }

    /// Makes a symbolic link.
    pub fn link(&mut self, who: &Who, path: &str, to: &str) -> Result<(), Trouble> {
        let place = self.place(path)?;
        if self.nodes.contains_key(&place) {
            return Err(Trouble::Exists);
        }
        self.may_change(who, &place)?;
        self.insert(place, Node { kind: Kind::Link(to.to_owned()), mode: 0o777, ..node(&who.user, who.now) });
        Ok(())
    }

    /// Removes a file, a link, or a folder with nothing in it.
    pub fn remove(&mut self, who: &Who, path: &str) -> Result<(), Trouble> {
        let place = self.place(path)?;
        let node = self.nodes.get(&place).ok_or(Trouble::Missing)?;
        if place.is_empty() {
            return Err(Trouble::Invalid);
        }
        if node.is_folder() && !self.names(&place).is_empty() {
            return Err(Trouble::NotEmpty);
        }
        self.may_change(who, &place)?;
        self.take(&place);
        Ok(())
    }

    /// Gives something another name, over what is there: a file, or a folder with nothing in it.
    pub fn rename(&mut self, who: &Who, from: &str, to: &str) -> Result<(), Trouble> {
        let (from, to) = (self.place(from)?, self.place(to)?);
        let is_folder = self.nodes.get(&from).ok_or(Trouble::Missing)?.is_folder();
        if from == to {
            return Ok(());
        }
        if from.is_empty() || to.starts_with(&format!("{from}/")) {
            return Err(Trouble::Invalid);
        }
        match self.nodes.get(&to).map(Node::is_folder) {
            Some(true) if !is_folder => return Err(Trouble::Folder),
            Some(true) if !self.names(&to).is_empty() => return Err(Trouble::NotEmpty),
            Some(false) if is_folder => return Err(Trouble::NoFolder),
            _ => {}
        }
        self.may_change(who, &from)?;
        self.may_change(who, &to)?;
        let begin = format!("{from}/");
        let below = self.nodes.keys().filter(|path| **path == from || path.starts_with(&begin)).cloned();
        for path in below.collect::<Vec<_>>() {
            if let Some(node) = self.take(&path) {
                self.insert(format!("{to}{}", &path[from.len()..]), node);
            }
        }
        Ok(())
    }

    /// All paths at and below one, the folder itself first, sorted; links are not followed.
    pub fn below(&self, path: &str) -> Vec<String> {
        let Ok(place) = self.place(path) else { return Vec::new() };
        let begin = format!("{place}/");
        let mut all: Vec<String> = self.nodes.get(&place).map(|_| place.clone()).into_iter().collect();
        all.extend(
            self.nodes.range(begin.clone()..).map_while(|(path, _)| path.starts_with(&begin).then(|| path.clone())),
        );
        all
    }
}

/// An empty file of somebody's.
fn node(owner: &str, time: f64) -> Node {
    Node { kind: Kind::File(Vec::new()), mode: 0o644, owner: owner.to_owned(), group: owner.to_owned(), time }
}
