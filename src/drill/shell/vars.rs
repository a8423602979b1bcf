//! Variables: what they hold, and what they are called.

use super::state::{Shell, Value, Var};
use std::collections::BTreeMap;

/// Whether something may be a variable's name.
pub(super) fn is_name(text: &str) -> bool {
    let mut all = text.chars();
    all.next().is_some_and(|one| one.is_ascii_alphabetic() || one == '_')
        && all.all(|one| one.is_ascii_alphanumeric() || one == '_')
}

impl Shell<'_> {
    /// What a variable says, a list's first element, or nothing if it is not set.
    pub(super) fn get(&mut self, name: &str) -> Option<String> {
        if let Some(made) = self.made(name) {
            return Some(made);
        }
        if name == "IFS" {
            return Some(self.separators());
        }
        match &self.vars.get(name)?.value {
            Value::Text(text) => Some(text.clone()),
            Value::List(list) => list.get(&0).cloned(),
            Value::Map(map) => map.get("0").cloned(),
            Value::Nothing => None,
        }
    }

    /// Those that the shell makes itself.
    fn made(&mut self, name: &str) -> Option<String> {
        Some(match name {
            "EPOCHSECONDS" => (self.now() as i64).to_string(),
            "EPOCHREALTIME" => format!("{:.6}", self.now()),
            "LINENO" => self.line.to_string(),
            "RANDOM" => {
                self.random =
                    self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                ((self.random >> 33) & 0x7fff).to_string()
            }
            "BASHPID" => self.pid.to_string(),
            "FUNCNAME" => self.names.last()?.clone(),
            "UID" | "EUID" => super::tools::users::id(&self.user).to_string(),
            "PPID" => "1".to_owned(),
            "SHLVL" => "1".to_owned(),
            _ => return None,
        })
    }

    /// One element.
    pub(super) fn get_at(&mut self, name: &str, key: &str) -> Option<String> {
        match self.vars.get(name).map(|var| &var.value) {
            Some(Value::Map(map)) => map.get(key).cloned(),
            Some(Value::List(list)) => {
                let list = list.clone();
                let index = self.index(&list, key)?;
                list.get(&index).cloned()
            }
            Some(Value::Text(text)) => {
                let text = text.clone();
                (self.reckon(key).ok()? == 0).then_some(text)
            }
            None if key == "0" => self.get(name),
            _ => None,
        }
    }

    fn index(&mut self, list: &BTreeMap<i64, String>, key: &str) -> Option<i64> {
        let index = self.reckon(key).ok()?;
        let end = list.last_key_value().map_or(0, |(last, _)| last + 1);
        if index < 0 { Some(end + index) } else { Some(index) }
    }

    /// All elements.
    pub(super) fn all(&mut self, name: &str) -> Vec<String> {
        match self.vars.get(name).map(|var| &var.value) {
            Some(Value::List(list)) => list.values().cloned().collect(),
            Some(Value::Map(map)) => map.values().cloned().collect(),
            _ => self.get(name).into_iter().collect(),
        }
    }

    /// The names of all elements.
    pub(super) fn keys(&mut self, name: &str) -> Vec<String> {
        match self.vars.get(name).map(|var| &var.value) {
            Some(Value::List(list)) => list.keys().map(i64::to_string).collect(),
            Some(Value::Map(map)) => map.keys().cloned().collect(),
            Some(Value::Text(_)) => vec!["0".to_owned()],
            _ => Vec::new(),
        }
    }

    fn slot(&mut self, name: &str) -> Result<&mut Var, String> {
        if !is_name(name) {
            return Err(format!("`{name}': not a valid identifier"));
        }
        let exported = self.options.allexport;
        let var = self.vars.entry(name.to_owned()).or_insert_with(|| Var { exported, ..Var::new(Value::Nothing) });
        if var.readonly { Err(format!("{name}: readonly variable")) } else { Ok(var) }
    }

    /// Sets a variable; of a list its first element.
    pub(super) fn set(&mut self, name: &str, text: String) -> Result<(), String> {
        let text = match self.vars.get(name) {
            Some(Var { integer: true, .. }) => self.reckon(&text)?.to_string(),
            _ => text,
        };
        if text.len() > super::state::OUTPUT {
            return Err(format!("{name}: this drill takes no text of more than 8 MiB"));
        }
        let var = self.slot(name)?;
        match &mut var.value {
            Value::List(list) => drop(list.insert(0, text)),
            Value::Map(map) => drop(map.insert("0".to_owned(), text)),
            value => *value = Value::Text(text),
        }
        Ok(())
    }

    /// Sets all that a variable is.
    pub(super) fn set_value(&mut self, name: &str, value: Value) -> Result<(), String> {
        self.slot(name)?.value = value;
        Ok(())
    }

    /// Sets one element.
    pub(super) fn set_at(&mut self, name: &str, key: &str, text: String) -> Result<(), String> {
        if let Value::Map(map) = &mut self.slot(name)?.value {
            map.insert(key.to_owned(), text);
            return Ok(());
        }
        let mut list = match &self.slot(name)?.value {
            Value::List(list) => list.clone(),
            Value::Text(text) => BTreeMap::from([(0, text.clone())]),
            _ => BTreeMap::new(),
        };
        let key = match self.reckon(key)? {
            key if key < 0 => list.last_key_value().map_or(0, |(last, _)| last + 1) + key,
            key => key,
        };
        if key < 0 {
            return Err(format!("{name}[{key}]: bad array subscript"));
        }
        list.insert(key, text);
        self.slot(name)?.value = Value::List(list);
        Ok(())
    }

    /// Takes a variable or one element away.
    pub(super) fn unset(&mut self, name: &str) -> Result<(), String> {
        if let Some((name, key)) = name.strip_suffix(']').and_then(|rest| rest.split_once('[')) {
            let index = self.reckon(key);
            match self.vars.get_mut(name).map(|var| &mut var.value) {
                Some(Value::Map(map)) => drop(map.remove(key)),
                Some(Value::List(list)) => drop(list.remove(&index?)),
                _ => {}
            }
            return Ok(());
        }
        if self.vars.get(name).is_some_and(|var| var.readonly) {
            return Err(format!("{name}: cannot unset: readonly variable"));
        }
        self.vars.remove(name);
        Ok(())
    }

    /// What a command is given to know.
    pub(super) fn exported(&self) -> BTreeMap<String, String> {
        let all = self.vars.iter().filter(|(_, var)| var.exported);
        all.filter_map(|(name, var)| match &var.value {
            Value::Text(text) => Some((name.clone(), text.clone())),
            _ => None,
        })
        .collect()
    }

    /// `$IFS`
    pub(super) fn separators(&self) -> String {
        match self.vars.get("IFS").map(|var| &var.value) {
            Some(Value::Text(text)) => text.clone(),
            _ => " \t\n".to_owned(),
        }
    }
}
