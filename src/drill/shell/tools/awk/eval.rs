//! What awk's expressions come to.

use super::super::super::state::OUTPUT;
use super::read::{Expr, Function};
use super::run::{Awk, Cell, Ends, FIELDS};
use super::value::Value;
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::rc::Rc;

/// So deep its functions may call each other.
const CALLS: usize = 100;

impl Awk<'_> {
    pub(super) fn assign(&mut self, place: &Expr, value: Value) -> Result<(), String> {
        match place {
            Expr::Var(name) => self.set(name, value),
            Expr::Item(name, index) => {
                let key = self.key(index)?;
                let list = self.list(name)?;
                if list.borrow().len() > FIELDS {
                    return Err("more than this drill keeps in a list".to_owned());
                }
                list.borrow_mut().insert(key, value);
            }
            Expr::Field(index) => match self.field(index)? {
                0 => self.record(value.text())?,
                index => {
                    if index > self.fields.len() {
                        self.fields.resize(index, Value::Nothing);
                        self.set_plain("NF", Value::Number(index as f64));
                    }
                    self.fields[index - 1] = value;
                    self.joined();
                }
            },
            _ => return Err("this can't be assigned to".to_owned()),
        }
        Ok(())
    }

    pub(super) fn eval(&mut self, expr: &Expr) -> Result<Value, String> {
        self.step()?;
        Ok(match expr {
            Expr::Number(number) => Value::Number(*number),
            Expr::Text(text) => Value::Text(text.clone()),
            Expr::Regex(text) => Value::truth(self.regex(text)?.is_match(&self.line)),
            Expr::Var(name) => match self.cell(name) {
                Some(Cell::List(_)) => return Err(format!("{name} is a list")),
                Some(Cell::Value(value)) => value.clone(),
                None => Value::Nothing,
            },
            Expr::Item(name, index) => {
                let key = self.key(index)?;
                let list = self.list(name)?;

                list.borrow_mut().entry(key).or_insert(Value::Nothing).clone()
            }
            Expr::Field(index) => match self.field(index)? {
                0 => Value::given(&self.line),
                index => self.fields.get(index - 1).cloned().unwrap_or(Value::Nothing),
            },
            Expr::Assign(place, value) => {
                let value = self.eval(value)?;
                self.assign(place, value.clone())?;
                value
            }
            Expr::Change(sign, place, value) => {
                let (right, left) = (self.eval(value)?.number(), self.eval(place)?.number());
                let value = Value::Number(reckoned(sign, left, right)?);
                self.assign(place, value.clone())?;
                value
            }
            Expr::Step(place, by, before) => {
                let old = self.eval(place)?.number();
                self.assign(place, Value::Number(old + by))?;
                Value::Number(if *before { old } else { old + by })
            }
            Expr::Two(sign, left, right) => self.two(sign, left, right)?,
            Expr::Not(inner) => Value::truth(!self.truth(inner)?),
            Expr::Minus(inner) => Value::Number(-self.eval(inner)?.number()),
            Expr::Plus(inner) => Value::Number(self.eval(inner)?.number()),
            Expr::If(condition, yes, no) => {
                let way = if self.truth(condition)? { yes } else { no };
                self.eval(way)?
            }
            Expr::In(index, list) => {
                let key = self.key(index)?;
                Value::truth(self.list(list)?.borrow().contains_key(&key))
            }
            Expr::Many(_) => return Err("syntax error: a list stands where a value must".to_owned()),
            Expr::Call(name, args) => match self.program.functions.get(name).cloned() {
                Some(function) => self.call(name, &function, args)?,
                None => self.builtin(name, args)?,
            },
        })
    }

    fn two(&mut self, sign: &str, left: &Expr, right: &Expr) -> Result<Value, String> {
        match sign {
            "&&" => return Ok(Value::truth(self.truth(left)? && self.truth(right)?)),
            "||" => return Ok(Value::truth(self.truth(left)? || self.truth(right)?)),
            "~" | "!~" => {
                let text = self.eval(left)?.text();
                let matches = self.pattern(right)?.is_match(&text);
                return Ok(Value::truth(matches == (sign == "~")));
            }
            _ => {}
        }
        let (left, right) = (self.eval(left)?, self.eval(right)?);
        let order = || left.compared(&right);
        Ok(match sign {
            " " => {
                let text = left.text() + &right.text();
                // What is long takes longer.
                self.steps += text.len() as u32 / 256;
                if text.len() > OUTPUT {
                    return Err("a longer text than this drill takes".to_owned());
                }
                Value::Text(text)
            }
            "<" => Value::truth(order() == Ordering::Less),
            "<=" => Value::truth(order() != Ordering::Greater),
            "==" => Value::truth(order() == Ordering::Equal),
            "!=" => Value::truth(order() != Ordering::Equal),
            ">" => Value::truth(order() == Ordering::Greater),
            ">=" => Value::truth(order() != Ordering::Less),
            sign => Value::Number(reckoned(sign, left.number(), right.number())?),
        })
    }

    fn call(&mut self, name: &str, function: &Rc<Function>, args: &[Expr]) -> Result<Value, String> {
        if self.frames.len() >= CALLS {
            return Err(format!("{name}: functions call each other deeper than this drill goes"));
        }
        if args.len() > function.params.len() {
            return Err(format!("{name} is called with too many values"));
        }
        let mut frame = BTreeMap::new();
        for (index, param) in function.params.iter().enumerate() {
            let cell = match args.get(index) {
                Some(Expr::Var(given)) => self.cell(given).cloned().unwrap_or(Cell::Value(Value::Nothing)),
                Some(given) => Cell::Value(self.eval(given)?),
                None => Cell::Value(Value::Nothing),
            };
            frame.insert(param.clone(), cell);
        }
        self.frames.push(frame);
        let came = self.run(&function.body);
        self.frames.pop();
        match came? {
            Some(Ends::Return(value)) => Ok(value),
            Some(Ends::Exit(_) | Ends::Next) => {
                Err("this drill knows exit and next outside of functions alone".to_owned())
            }
            _ => Ok(Value::Nothing),
        }
    }
}

fn reckoned(sign: &str, left: f64, right: f64) -> Result<f64, String> {
    Ok(match sign {
        "+" => left + right,
        "-" => left - right,
        "*" => left * right,
        "/" | "%" if right == 0.0 => return Err("division by zero".to_owned()),
        "/" => left / right,
        "%" => left % right,
        _ => left.powf(right),
    })
}
