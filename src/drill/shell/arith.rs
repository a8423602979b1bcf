//! `$((…))`, `((…))` and wherever else a shell reckons: 64 bits, around and around.

use super::state::{Shell, Value};
use brush_parser::ast::{ArithmeticExpr as Expr, ArithmeticTarget as Target, BinaryOperator as Two};
use brush_parser::ast::{UnaryAssignmentOperator as Step, UnaryOperator as One};

/// Nobody writes longer ones.
const LENGTH: usize = 4096;
/// So deep brackets, and variables that name variables, may be.
const DEPTH: usize = 40;

impl Shell<'_> {
    /// Reckons what an expression says; its words have been expanded.
    pub(super) fn reckon(&mut self, text: &str) -> Result<i64, String> {
        self.reckon_at(text, 0)
    }

    fn reckon_at(&mut self, text: &str, depth: usize) -> Result<i64, String> {
        let text = text.trim();
        if text.is_empty() {
            return Ok(0);
        }
        if let Ok(number) = text.parse::<i64>()
            && !text.trim_start_matches('-').starts_with('0')
        {
            return Ok(number);
        }
        // Signs before signs are read within each other, as brackets are.
        let deep = text.matches(['(', '[', '?', '!', '~', '-', '+', '*', '=']).count();
        // An index is tried for each kind of assignment there is.
        let indexes = text.chars().scan(0_usize, |open, one| {
            *open = match one {
                '[' => *open + 1,
                ']' => open.saturating_sub(1),
                _ => *open,
            };
            Some(*open)
        });
        if text.len() > LENGTH || depth > DEPTH || deep > 3 * DEPTH || indexes.max().unwrap_or(0) > 3 {
            return Err(format!("{text}: expression recursion level exceeded"));
        }
        let expr = brush_parser::arithmetic::parse(text).map_err(|_| {
            let digits = text.starts_with('0') && text.chars().all(|one| one.is_ascii_digit());
            let why = if digits { "value too great for base" } else { "syntax error: invalid arithmetic operator" };
            format!("{text}: {why} (error token is \"{text}\")")
        })?;
        self.value(&expr, depth)
    }

    fn value(&mut self, expr: &Expr, depth: usize) -> Result<i64, String> {
        Ok(match expr {
            Expr::Literal(number) => *number,
            Expr::Reference(target) => self.read_target(target, depth)?,
            Expr::UnaryOp(op, inner) => {
                let value = self.value(inner, depth)?;
                match op {
                    One::UnaryPlus => value,
                    One::UnaryMinus => value.wrapping_neg(),
                    One::BitwiseNot => !value,
                    One::LogicalNot => i64::from(value == 0),
                }
            }
            Expr::BinaryOp(Two::LogicalAnd, left, right) => {
                i64::from(self.value(left, depth)? != 0 && self.value(right, depth)? != 0)
            }
            Expr::BinaryOp(Two::LogicalOr, left, right) => {
                i64::from(self.value(left, depth)? != 0 || self.value(right, depth)? != 0)
            }
            Expr::BinaryOp(op, left, right) => {
                let (left, right) = (self.value(left, depth)?, self.value(right, depth)?);
                two(*op, left, right)?
            }
            Expr::Conditional(condition, yes, no) => {
                let way = if self.value(condition, depth)? != 0 { yes } else { no };
                self.value(way, depth)?
            }
            Expr::Assignment(target, value) => {
                let value = self.value(value, depth)?;
                self.write_target(target, value, depth)?
            }
            Expr::BinaryAssignment(op, target, value) => {
                let (left, right) = (self.read_target(target, depth)?, self.value(value, depth)?);
                self.write_target(target, two(*op, left, right)?, depth)?
            }
            Expr::UnaryAssignment(step, target) => {
                let value = self.read_target(target, depth)?;
                let (by, before) = match step {
                    Step::PrefixIncrement => (1, false),
                    Step::PrefixDecrement => (-1, false),
                    Step::PostfixIncrement => (1, true),
                    Step::PostfixDecrement => (-1, true),
                };
                let new = self.write_target(target, value.wrapping_add(by), depth)?;
                if before { value } else { new }
            }
        })
    }

    fn key(&mut self, name: &str, index: &Expr, depth: usize) -> Result<String, String> {
        if let (Some(Value::Map(_)), Expr::Reference(Target::Variable(key))) =
            (self.vars.get(name).map(|var| &var.value), index)
        {
            return Ok(key.clone());
        }
        Ok(self.value(index, depth)?.to_string())
    }

    fn read_target(&mut self, target: &Target, depth: usize) -> Result<i64, String> {
        let (name, text) = match target {
            Target::Variable(name) => (name, self.get(name)),
            Target::ArrayElement(name, index) => {
                let key = self.key(name, index, depth)?;
                (name, self.get_at(name, &key))
            }
        };
        match text {
            None if self.options.nounset => Err(format!("{name}: unbound variable")),
            None => Ok(0),
            Some(text) => self.reckon_at(&text, depth + 1),
        }
    }

    fn write_target(&mut self, target: &Target, value: i64, depth: usize) -> Result<i64, String> {
        match target {
            Target::Variable(name) => self.set(name, value.to_string())?,
            Target::ArrayElement(name, index) => {
                let key = self.key(name, index, depth)?;
                self.set_at(name, &key, value.to_string())?;
            }
        }
        Ok(value)
    }
}

fn two(op: Two, left: i64, right: i64) -> Result<i64, String> {
    Ok(match op {
        Two::Power if right < 0 => return Err("exponent less than 0".to_owned()),
        Two::Power => left.wrapping_pow(u32::try_from(right).unwrap_or(u32::MAX)),
        Two::Multiply => left.wrapping_mul(right),
        Two::Divide | Two::Modulo if right == 0 => return Err("division by 0 (error token is \"0\")".to_owned()),
        Two::Divide => left.wrapping_div(right),
        Two::Modulo => left.wrapping_rem(right),
        Two::Comma => right,
        Two::Add => left.wrapping_add(right),
        Two::Subtract => left.wrapping_sub(right),
        Two::ShiftLeft => left.wrapping_shl(right as u32),
        Two::ShiftRight => left.wrapping_shr(right as u32),
        Two::LessThan => i64::from(left < right),
        Two::LessThanOrEqualTo => i64::from(left <= right),
        Two::GreaterThan => i64::from(left > right),
        Two::GreaterThanOrEqualTo => i64::from(left >= right),
        Two::Equals => i64::from(left == right),
        Two::NotEquals => i64::from(left != right),
        Two::BitwiseAnd => left & right,
        Two::BitwiseXor => left ^ right,
        Two::BitwiseOr => left | right,
        Two::LogicalAnd => i64::from(left != 0 && right != 0),
        Two::LogicalOr => i64::from(left != 0 || right != 0),
    })
}
