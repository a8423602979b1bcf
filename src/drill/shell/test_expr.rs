//! `[[ … ]]`, `[ … ]` and `test`.

use super::files::{Access, Kind};
use super::pattern::Pattern;
use super::state::{Flow, Outcome, Shell, Value};
use brush_parser::ast::{BinaryPredicate as Two, ExtendedTestExpr as Expr, TestExpr, UnaryPredicate as One};

impl Shell<'_> {
    pub(super) fn extended(&mut self, expr: &Expr) -> Outcome {
        Ok(i32::from(!self.holds(expr)?))
    }

    fn holds(&mut self, expr: &Expr) -> Result<bool, Flow> {
        match expr {
            Expr::And(left, right) => Ok(self.holds(left)? && self.holds(right)?),
            Expr::Or(left, right) => Ok(self.holds(left)? || self.holds(right)?),
            Expr::Not(inner) => Ok(!self.holds(inner)?),
            Expr::Parenthesized(inner) => self.holds(inner),
            Expr::UnaryTest(op, word) => {
                let text = self.text(&word.value)?;
                Ok(self.one(op, &text))
            }
            Expr::BinaryTest(op, left, right) => {
                let left = self.text(&left.value)?;
                match op {
                    Two::StringExactlyMatchesPattern => self.is_like(&left, &right.value),
                    Two::StringDoesNotExactlyMatchPattern => Ok(!self.is_like(&left, &right.value)?),
                    Two::StringMatchesRegex | Two::StringContainsSubstring => {
                        let text = self.expression(&right.value)?;
                        self.regex(&left, &text)
                    }
                    Two::ArithmeticEqualTo
                    | Two::ArithmeticNotEqualTo
                    | Two::ArithmeticLessThan
                    | Two::ArithmeticLessThanOrEqualTo
                    | Two::ArithmeticGreaterThan
                    | Two::ArithmeticGreaterThanOrEqualTo => {
                        let right = self.text(&right.value)?;
                        let (left, right) = (self.number(&left)?, self.number(&right)?);
                        Ok(compared(op, left, right))
                    }
                    _ => {
                        let right = self.text(&right.value)?;
                        Ok(self.two(op, &left, &right).unwrap_or(false))
                    }
                }
            }
        }
    }

    fn is_like(&mut self, text: &str, pattern: &str) -> Result<bool, Flow> {
        let pattern = self.pattern(pattern)?;
        if self.options.nocasematch {
            return Ok(Pattern::new(&pattern.to_lowercase()).matches(&text.to_lowercase()));
        }
        Ok(Pattern::new(&pattern).matches(text))
    }

    fn regex(&mut self, text: &str, pattern: &str) -> Result<bool, Flow> {
        let Ok(regex) = super::tools::regex::extended(pattern, self.options.nocasematch) else {
            return self.fail(format!("[[: invalid regular expression `{pattern}'"));
        };
        let found = regex.captures(text);
        let list = found.iter().flat_map(|found| {
            (0..).zip(found.iter().map(|group| group.map_or(String::new(), |group| group.as_str().to_owned())))
        });
        let list = list.collect();
        let _ = self.set_value("BASH_REMATCH", Value::List(list));
        Ok(found.is_some())
    }

    /// `test` and `[`: 2 for what is no expression.
    pub(super) fn test(&mut self, name: &str, args: &[String]) -> Outcome {
        let depth = args.iter().filter(|arg| *arg == "(" || *arg == "!").count();
        let parsed = if depth > 40 || args.len() > 500 { None } else { brush_parser::test_command::parse(args).ok() };
        let Some(expr) = parsed else {
            self.complain(format!("{name}: {}: unexpected operator", args.get(1).map_or("", String::as_str)));
            return Ok(2);
        };
        match self.truth(&expr)? {
            Ok(holds) => Ok(i32::from(!holds)),
            Err(why) => {
                self.complain(format!("{name}: {why}"));
                Ok(2)
            }
        }
    }

    fn truth(&mut self, expr: &TestExpr) -> Result<Result<bool, String>, Flow> {
        Ok(match expr {
            TestExpr::False => Ok(false),
            TestExpr::Literal(text) => Ok(!text.is_empty()),
            TestExpr::And(left, right) => match self.truth(left)? {
                Ok(true) => self.truth(right)?,
                other => other,
            },
            TestExpr::Or(left, right) => match self.truth(left)? {
                Ok(false) => self.truth(right)?,
                other => other,
            },
            TestExpr::Not(inner) => self.truth(inner)?.map(|holds| !holds),
            TestExpr::Parenthesized(inner) => self.truth(inner)?,
            TestExpr::UnaryTest(op, text) => Ok(self.one(op, text)),
            TestExpr::BinaryTest(op, left, right) => self.two(op, left, right),
        })
    }

    fn two(&mut self, op: &Two, left: &str, right: &str) -> Result<bool, String> {
        let time = |shell: &Self, path: &str| shell.files().get(&shell.place(path)).map(|node| node.time);
        Ok(match op {
            Two::StringExactlyMatchesString | Two::StringExactlyMatchesPattern => left == right,
            Two::StringDoesNotExactlyMatchString | Two::StringDoesNotExactlyMatchPattern => left != right,
            Two::LeftSortsBeforeRight => left < right,
            Two::LeftSortsAfterRight => left > right,
            Two::LeftFileIsNewerOrExistsWhenRightDoesNot => match (time(self, left), time(self, right)) {
                (Some(left), Some(right)) => left > right,
                (left, _) => left.is_some(),
            },
            Two::LeftFileIsOlderOrDoesNotExistWhenRightDoes => match (time(self, left), time(self, right)) {
                (Some(left), Some(right)) => left < right,
                (_, right) => right.is_some(),
            },
            Two::FilesReferToSameDeviceAndInodeNumbers => {
                let files = self.files();
                let (left, right) = (files.real(&self.place(left)), files.real(&self.place(right)));
                left.is_ok() && left == right
            }
            _ => {
                let number =
                    |text: &str| text.trim().parse::<i64>().map_err(|_| format!("{text}: integer expression expected"));
                compared(op, number(left)?, number(right)?)
            }
        })
    }

    fn one(&mut self, op: &One, text: &str) -> bool {
        match op {
            One::StringHasZeroLength => text.is_empty(),
            One::StringHasNonZeroLength => !text.is_empty(),
            One::ShellVariableIsSetAndAssigned => self.is_set(text),
            One::ShellOptionEnabled => self.option(text).unwrap_or(false),
            One::FdIsOpenTerminal | One::ShellVariableIsSetAndNameRef => false,
            _ => self.file_is(op, text),
        }
    }

    fn file_is(&mut self, op: &One, path: &str) -> bool {
        if path.is_empty() {
            return false;
        }
        let (place, user) = (self.place(path), self.user.clone());
        if path == "/dev/null" {
            return matches!(
                op,
                One::FileExists
                    | One::FileExistsAndIsCharSpecialFile
                    | One::FileExistsAndIsReadable
                    | One::FileExistsAndIsWritable
            );
        }
        let files = self.files();
        let (node, link) = (files.get(&place), files.look(&place));
        if node.is_none() && link.is_none() {
            drop(files);
            let made = self.world.borrow_mut().outside.file(&place);
            return match op {
                One::FileExists | One::FileExistsAndIsRegularFile | One::FileExistsAndIsReadable => made.is_some(),
                _ => false,
            };
        }
        match op {
            One::FileExists => node.is_some(),
            One::FileExistsAndIsDir => node.is_some_and(super::Node::is_folder),
            One::FileExistsAndIsRegularFile => node.is_some_and(|node| node.bytes().is_some()),
            One::FileExistsAndIsSymlink => link.is_some_and(|link| matches!(link.kind, Kind::Link(_))),
            One::FileExistsAndIsNotZeroLength => node.is_some_and(|node| node.size() > 0),
            One::FileExistsAndIsReadable => files.may(&user, &place, Access::Read),
            One::FileExistsAndIsWritable => files.may(&user, &place, Access::Write),
            One::FileExistsAndIsExecutable => files.may(&user, &place, Access::Run),
            One::FileExistsAndOwnedByEffectiveUserId => node.is_some_and(|node| node.owner == user),
            One::FileExistsAndOwnedByEffectiveGroupId => node.is_some_and(|node| node.group == user),
            One::FileExistsAndIsSetuid => node.is_some_and(|node| node.mode & 0o4000 != 0),
            One::FileExistsAndIsSetgid => node.is_some_and(|node| node.mode & 0o2000 != 0),
            One::FileExistsAndHasStickyBit => node.is_some_and(|node| node.mode & 0o1000 != 0),
            _ => false,
        }
    }
}

fn compared(op: &Two, left: i64, right: i64) -> bool {
    match op {
        Two::ArithmeticEqualTo => left == right,
        Two::ArithmeticNotEqualTo => left != right,
        Two::ArithmeticLessThan => left < right,
        Two::ArithmeticLessThanOrEqualTo => left <= right,
        Two::ArithmeticGreaterThan => left > right,
        _ => left >= right,
    }
}
