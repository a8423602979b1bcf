//! The expressions of an awk program, from what binds least on.

use super::lex::Token;
use super::read::{Expr, Reader};

impl Reader {
    pub(super) fn expr(&mut self) -> Result<Expr, String> {
        self.deeper(Self::assigned)
    }

    fn assigned(&mut self) -> Result<Expr, String> {
        let left = self.choice()?;
        let is_place = matches!(left, Expr::Var(_) | Expr::Item(..) | Expr::Field(_));
        let sign =
            ["=", "+=", "-=", "*=", "/=", "%=", "^="].into_iter().find(|sign| self.is(sign)).filter(|_| is_place);
        let Some(sign) = sign else { return Ok(left) };
        self.at += 1;
        self.lines(false);
        let right = Box::new(self.expr()?);
        Ok(match sign {
            "=" => Expr::Assign(Box::new(left), right),
            "+=" => Expr::Change("+", Box::new(left), right),
            "-=" => Expr::Change("-", Box::new(left), right),
            "*=" => Expr::Change("*", Box::new(left), right),
            "/=" => Expr::Change("/", Box::new(left), right),
            "%=" => Expr::Change("%", Box::new(left), right),
            _ => Expr::Change("^", Box::new(left), right),
        })
    }

    fn choice(&mut self) -> Result<Expr, String> {
        let condition = self.either()?;
        if !self.take("?") {
            return Ok(condition);
        }
        self.lines(false);
        let yes = self.expr()?;
        self.lines(false);
        self.must(":")?;
        self.lines(false);
        let no = self.expr()?;
        Ok(Expr::If(Box::new(condition), Box::new(yes), Box::new(no)))
    }

    fn either(&mut self) -> Result<Expr, String> {
        let mut left = self.both()?;
        while self.take("||") {
            self.lines(false);
            left = Expr::Two("||", Box::new(left), Box::new(self.both()?));
        }
        Ok(left)
    }

    fn both(&mut self) -> Result<Expr, String> {
        let mut left = self.member()?;
        while self.take("&&") {
            self.lines(false);
            left = Expr::Two("&&", Box::new(left), Box::new(self.member()?));
        }
        Ok(left)
    }

    fn member(&mut self) -> Result<Expr, String> {
        let mut left = self.matched()?;
        while self.take("in") {
            let list = self.name()?;
            left = match left {
                Expr::Many(all) => Expr::In(all, list),
                one => Expr::In(vec![one], list),
            };
        }
        Ok(left)
    }

    fn matched(&mut self) -> Result<Expr, String> {
        let mut left = self.compared()?;
        loop {
            let sign = match self.peek() {
                Token::Sign("~") => "~",
                Token::Sign("!~") => "!~",
                _ => return Ok(left),
            };
            self.at += 1;
            left = Expr::Two(sign, Box::new(left), Box::new(self.compared()?));
        }
    }

    fn compared(&mut self) -> Result<Expr, String> {
        let left = self.concat()?;
        let sign = ["<=", "==", "!=", ">=", "<", ">"]
            .into_iter()
            .find(|sign| self.is(sign))
            .filter(|sign| *sign != ">" || !self.print);
        let Some(sign) = sign else { return Ok(left) };
        self.at += 1;
        Ok(Expr::Two(sign, Box::new(left), Box::new(self.concat()?)))
    }

    /// Two next to each other are one text.
    pub(super) fn concat(&mut self) -> Result<Expr, String> {
        let mut left = self.sum()?;
        loop {
            let begins = match self.peek() {
                Token::Number(_) | Token::Text(_) | Token::Name(_) | Token::Call(_) => true,
                Token::Sign(sign) => matches!(*sign, "(" | "$" | "!" | "-" | "+" | "++" | "--"),
                _ => false,
            };
            if !begins {
                return Ok(left);
            }
            left = Expr::Two(" ", Box::new(left), Box::new(self.sum()?));
        }
    }

    fn sum(&mut self) -> Result<Expr, String> {
        let mut left = self.product()?;
        loop {
            let sign = match self.peek() {
                Token::Sign("+") => "+",
                Token::Sign("-") => "-",
                _ => return Ok(left),
            };
            self.at += 1;
            left = Expr::Two(sign, Box::new(left), Box::new(self.product()?));
        }
    }

    fn product(&mut self) -> Result<Expr, String> {
        let mut left = self.signed()?;
        loop {
            let sign = match self.peek() {
                Token::Sign("*") => "*",
                Token::Sign("/") => "/",
                Token::Sign("%") => "%",
                _ => return Ok(left),
            };
            self.at += 1;
            left = Expr::Two(sign, Box::new(left), Box::new(self.signed()?));
        }
    }

    fn signed(&mut self) -> Result<Expr, String> {
        if self.take("!") {
            return self.deeper(|reader| Ok(Expr::Not(Box::new(reader.signed()?))));
        }
        if self.take("-") {
            return self.deeper(|reader| Ok(Expr::Minus(Box::new(reader.signed()?))));
        }
        if self.take("+") {
            return self.deeper(|reader| Ok(Expr::Plus(Box::new(reader.signed()?))));
        }
        let base = self.stepped()?;
        if self.take("^") {
            // The power of a power is the one on the right's first.
            return self.deeper(|reader| Ok(Expr::Two("^", Box::new(base), Box::new(reader.signed()?))));
        }
        Ok(base)
    }

    fn stepped(&mut self) -> Result<Expr, String> {
        for (sign, by) in [("++", 1.0), ("--", -1.0)] {
            if self.take(sign) {
                return self.deeper(|reader| Ok(Expr::Step(Box::new(reader.stepped()?), by, false)));
            }
        }
        let place = self.primary()?;
        if matches!(place, Expr::Var(_) | Expr::Item(..) | Expr::Field(_)) {
            for (sign, by) in [("++", 1.0), ("--", -1.0)] {
                if self.take(sign) {
                    return Ok(Expr::Step(Box::new(place), by, true));
                }
            }
        }
        Ok(place)
    }

    fn primary(&mut self) -> Result<Expr, String> {
        let token = self.peek().clone();
        self.at += 1;
        Ok(match token {
            Token::Number(number) => Expr::Number(number),
            Token::Text(text) => Expr::Text(text),
            Token::Regex(regex) => Expr::Regex(regex),
            Token::Call(name) => {
                self.must("(")?;
                Expr::Call(name, self.list(")")?)
            }
            Token::Name(name) if name == "getline" => return Err("this drill knows no getline in awk".to_owned()),
            Token::Name(name) if self.take("[") => Expr::Item(name, self.list("]")?),
            Token::Name(name) if name == "length" => Expr::Call(name, Vec::new()),
            Token::Name(name) => Expr::Var(name),
            Token::Sign("$") => Expr::Field(Box::new(self.deeper(Self::field)?)),
            Token::Sign("(") => {
                let mut all = self.list(")")?;
                match all.len() {
                    0 => return Err("syntax error: nothing stands between brackets".to_owned()),
                    1 => all.remove(0),
                    _ => Expr::Many(all),
                }
            }
            _ => {
                self.at -= 1;
                return Err(format!("syntax error at {}", self.here()));
            }
        })
    }

    /// What stands behind `$`.
    fn field(&mut self) -> Result<Expr, String> {
        if self.take("-") {
            return Ok(Expr::Minus(Box::new(self.primary()?)));
        }
        for (sign, by) in [("++", 1.0), ("--", -1.0)] {
            if self.take(sign) {
                return Ok(Expr::Step(Box::new(self.primary()?), by, false));
            }
        }
        self.primary()
    }
}
