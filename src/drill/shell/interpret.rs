//! What a shell does with the commands of a script.

use super::parse;
use super::pattern::Pattern;
use super::state::{Coprocess, Fd, Flow, Outcome, Shell, Value, Var};
use brush_parser::ast::{self, CompoundCommand as Compound};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

impl Shell<'_> {
    /// Runs a text as commands of this shell.
    pub(super) fn eval(&mut self, text: &str) -> Outcome {
        match parse::program(text) {
            Ok(program) => {
                self.deeper()?;
                let came = self.program(&program);
                self.depth -= 1;
                came
            }
            Err(why) => {
                self.complain(format!("syntax error: {why}"));
                Ok(2)
            }
        }
    }

    /// One deeper: as deep as that a script may go.
    pub(super) fn deeper(&mut self) -> Result<(), Flow> {
        self.depth += 1;
        if self.depth <= super::state::DEPTH {
            return Ok(());
        }
        self.complain(format!("this drill goes no deeper than {} shells and functions", super::state::DEPTH));
        Err(Flow::Over(134))
    }

    pub(super) fn program(&mut self, program: &ast::Program) -> Outcome {
        for list in &program.complete_commands {
            self.list(list)?;
        }
        Ok(self.status)
    }

    fn list(&mut self, list: &ast::CompoundList) -> Outcome {
        for ast::CompoundListItem(and_or, separator) in &list.0 {
            if self.options.noexec {
                break;
            }
            if matches!(separator, ast::SeparatorOperator::Async) {
                self.background(and_or)?;
            } else {
                self.and_or(and_or)?;
            }
        }
        Ok(self.status)
    }

    /// `… &`: it runs at once and to its end, before the next command does.
    fn background(&mut self, and_or: &ast::AndOrList) -> Outcome {
        let mut shell = self.sub()?;
        shell.fds.insert(0, Fd::Null);
        let pid = self.next_pid();
        shell.pid = pid;
        let status = shell.finish(|shell| shell.and_or(and_or))?;
        self.jobs.push((pid, status));
        self.status = 0;
        Ok(0)
    }

    pub(super) fn next_pid(&mut self) -> u32 {
        let mut world = self.world.borrow_mut();
        world.pid += 1;
        world.pid
    }

    fn and_or(&mut self, list: &ast::AndOrList) -> Outcome {
        let last = list.additional.len();
        self.pipeline_in(&list.first, last > 0)?;
        for (index, next) in list.additional.iter().enumerate() {
            let (pipeline, run) = match next {
                ast::AndOr::And(pipeline) => (pipeline, self.status == 0),
                ast::AndOr::Or(pipeline) => (pipeline, self.status != 0),
            };
            if run {
                self.pipeline_in(pipeline, index + 1 < last)?;
            }
        }
        Ok(self.status)
    }

    /// Runs something whose failure is no reason to end the shell.
    pub(super) fn leniently<T>(&mut self, body: impl FnOnce(&mut Self) -> Result<T, Flow>) -> Result<T, Flow> {
        self.lenient += 1;
        let came = body(self);
        self.lenient -= 1;
        came
    }

    fn pipeline_in(&mut self, pipeline: &ast::Pipeline, lenient: bool) -> Outcome {
        if lenient || pipeline.bang {
            return self.leniently(|shell| shell.pipeline(pipeline));
        }
        self.pipeline(pipeline)
    }

    fn pipeline(&mut self, pipeline: &ast::Pipeline) -> Outcome {
        self.step()?;
        let begun = self.now();
        let status = match pipeline.seq.as_slice() {
            [] => 0,
            [one] => {
                let status = self.command(one)?;
                self.set_pipe(&[status]);
                status
            }
            many => self.pipe(many)?,
        };
        if pipeline.timed.is_some() {
            let took = self.now() - begun;
            self.say(&format!("\nreal\t{}m{:.3}s\nuser\t0m0.000s\nsys\t0m0.000s\n", (took / 60.0) as i64, took % 60.0));
        }
        self.status = if pipeline.bang { i32::from(status == 0) } else { status };
        let own = !matches!(pipeline.seq.as_slice(), [one] if is_transparent(one));
        if self.status != 0 && self.lenient == 0 && own {
            self.failed()?;
        }
        Ok(self.status)
    }

    /// A command failed, and nobody asked whether it would.
    fn failed(&mut self) -> Result<(), Flow> {
        let status = self.status;
        if (self.hidden.is_empty() || self.options.errtrace)
            && let Some(trap) = self.traps.remove("ERR")
        {
            let came = self.leniently(|shell| shell.eval(&trap));
            self.traps.insert("ERR".to_owned(), trap);
            came?;
            self.status = status;
        }
        if self.options.errexit { Err(Flow::Exit(status)) } else { Ok(()) }
    }

    /// Commands with a pipe between them, one after the other: each in a shell of its own.
    fn pipe(&mut self, commands: &[ast::Command]) -> Outcome {
        let mut codes = Vec::new();
        let mut input: Option<Vec<u8>> = None;
        for (index, command) in commands.iter().enumerate() {
            let last = index + 1 == commands.len();
            if last {
                let mut shell = self.sub()?;
                shell.fds.insert(0, Fd::input(input.take().unwrap_or_default()));
                codes.push(shell.finish(|shell| shell.command(command))?);
            } else {
                let (code, out) = self.gather(input.take(), |shell| shell.command(command))?;
                codes.push(code);
                input = Some(out);
            }
        }
        self.set_pipe(&codes);
        let last = codes.last().copied().unwrap_or(0);
        let wrong = codes.iter().rev().copied().find(|code| *code != 0);
        Ok(if self.options.pipefail { wrong.unwrap_or(0) } else { last })
    }

    fn set_pipe(&mut self, codes: &[i32]) {
        let list = (0..).zip(codes.iter().map(i32::to_string)).collect();
        self.vars.insert("PIPESTATUS".to_owned(), Var::new(Value::List(list)));
    }

    pub(super) fn command(&mut self, command: &ast::Command) -> Outcome {
        let status = match command {
            ast::Command::Simple(simple) => self.simple(simple)?,
            ast::Command::Compound(compound, redirects) => {
                self.redirected(redirects.as_ref().map(|list| list.0.iter()), |shell| shell.compound(compound))?
            }
            ast::Command::Function(function) => {
                self.functions.insert(function.fname.value.clone(), Rc::new(function.body.clone()));
                0
            }
            ast::Command::ExtendedTest(test, redirects) => {
                self.line = test.loc.start.line;
                self.redirected(redirects.as_ref().map(|list| list.0.iter()), |shell| shell.extended(&test.expr))?
            }
        };
        self.status = status;
        Ok(status)
    }

    fn compound(&mut self, compound: &Compound) -> Outcome {
        match compound {
            Compound::Arithmetic(arithmetic) => Ok(i32::from(self.number(&arithmetic.expr.value)? == 0)),
            Compound::BraceGroup(group) => self.list(&group.list),
            Compound::Subshell(sub) => self.sub()?.finish(|shell| shell.list(&sub.list)),
            Compound::IfClause(clause) => self.branch(clause),
            Compound::CaseClause(case) => self.case(case),
            Compound::ForClause(clause) => self.each(clause),
            Compound::ArithmeticForClause(clause) => self.counted(clause),
            Compound::WhileClause(clause) => self.repeat(clause, true),
            Compound::UntilClause(clause) => self.repeat(clause, false),
            Compound::Coprocess(coprocess) => self.coprocess(coprocess),
        }
    }

    fn branch(&mut self, clause: &ast::IfClauseCommand) -> Outcome {
        if self.leniently(|shell| shell.list(&clause.condition))? == 0 {
            return self.list(&clause.then);
        }
        for other in clause.elses.iter().flatten() {
            let holds = match &other.condition {
                Some(condition) => self.leniently(|shell| shell.list(condition))? == 0,
                None => true,
            };
            if holds {
                return self.list(&other.body);
            }
        }
        self.status = 0;
        Ok(0)
    }

    fn case(&mut self, case: &ast::CaseClauseCommand) -> Outcome {
        let value = self.text(&case.value.value)?;
        let (mut through, mut status) = (false, 0);
        for item in &case.cases {
            let mut matches = through;
            for word in &item.patterns {
                matches = matches || {
                    let pattern = self.pattern(&word.value)?;
                    Pattern::new(&pattern).matches(&value)
                };
            }
            if !matches {
                continue;
            }
            self.status = 0;
            status = match &item.cmd {
                Some(list) => self.list(list)?,
                None => 0,
            };
            match item.post_action {
                ast::CaseItemPostAction::ExitCase => break,
                ast::CaseItemPostAction::UnconditionallyExecuteNextCaseItem => through = true,
                ast::CaseItemPostAction::ContinueEvaluatingCases => through = false,
            }
        }
        self.status = status;
        Ok(status)
    }

    /// One round of a loop. `true`: the loop is over.
    fn round(&mut self, body: &ast::DoGroupCommand) -> Result<bool, Flow> {
        self.step()?;
        match self.list(&body.list) {
            Ok(_) => Ok(false),
            Err(Flow::Break(1)) => Ok(true),
            Err(Flow::Continue(1)) => Ok(false),
            Err(Flow::Break(more)) => Err(Flow::Break(more - 1)),
            Err(Flow::Continue(more)) => Err(Flow::Continue(more - 1)),
            Err(other) => Err(other),
        }
    }

    fn each(&mut self, clause: &ast::ForClauseCommand) -> Outcome {
        let words = match &clause.values {
            Some(values) => self.words(values.iter().map(|word| word.value.as_str()))?,
            None => self.args.clone(),
        };
        self.status = 0;
        self.looping(|shell| {
            for word in words {
                if let Err(why) = shell.set(&clause.variable_name, word) {
                    return shell.fail(why);
                }
                if shell.round(&clause.body)? {
                    break;
                }
            }
            Ok(shell.status)
        })
    }

    fn looping(&mut self, body: impl FnOnce(&mut Self) -> Outcome) -> Outcome {
        self.loops += 1;
        let came = body(self);
        self.loops -= 1;
        came
    }

    fn counted(&mut self, clause: &ast::ArithmeticForClauseCommand) -> Outcome {
        let number = |shell: &mut Self, expr: &Option<ast::UnexpandedArithmeticExpr>| match expr {
            Some(expr) if !expr.value.trim().is_empty() => shell.number(&expr.value),
            _ => Ok(1),
        };
        number(self, &clause.initializer)?;
        self.status = 0;
        self.looping(|shell| {
            while number(shell, &clause.condition)? != 0 {
                if shell.round(&clause.body)? {
                    break;
                }
                number(shell, &clause.updater)?;
            }
            Ok(shell.status)
        })
    }

    fn repeat(&mut self, clause: &ast::WhileOrUntilClauseCommand, wanted: bool) -> Outcome {
        let ast::WhileOrUntilClauseCommand(condition, body, _) = clause;
        let mut status = 0;
        self.looping(|shell| {
            loop {
                let holds = match shell.leniently(|shell| shell.list(condition)) {
                    Ok(code) => (code == 0) == wanted,
                    Err(Flow::Break(1)) => false,
                    Err(Flow::Continue(1)) => true,
                    Err(other) => return Err(other),
                };
                if !holds || shell.round(body)? {
                    break;
                }
                status = shell.status;
            }
            shell.status = status;
            Ok(status)
        })
    }

    /// `coproc NAME { …; }`: what is written to it is what it reads; it runs whenever somebody reads what it wrote.
    fn coprocess(&mut self, coprocess: &ast::CoprocessCommand) -> Outcome {
        let name = coprocess.name.as_ref().map_or("COPROC", |name| name.value.as_str()).to_owned();
        let process = Coprocess { body: (*coprocess.body).clone(), to: Vec::new(), from: Vec::new(), status: 0 };
        let fd = Fd::Coprocess(Rc::new(RefCell::new(process)));
        let free = (60..1000).find(|number| !self.fds.contains_key(number)).unwrap_or(60);
        self.fds.insert(free, fd.clone());
        self.fds.insert(free + 1, fd);
        let list = BTreeMap::from([(0, free.to_string()), (1, (free + 1).to_string())]);
        let pid = self.next_pid();
        self.jobs.push((pid, 0));
        let came =
            self.set_value(&name, Value::List(list)).and_then(|()| self.set(&format!("{name}_PID"), pid.to_string()));
        came.map(|()| 0).or_else(|why| self.fail(why))
    }

    /// `<(…)`: a file with what the command writes.
    pub(super) fn process(
        &mut self,
        kind: &ast::ProcessSubstitutionKind,
        body: &ast::SubshellCommand,
    ) -> Result<String, Flow> {
        if matches!(kind, ast::ProcessSubstitutionKind::Write) {
            return self.fail("this drill does not know >(…)");
        }
        let (_, out) = self.gather(None, |shell| shell.list(&body.list))?;
        let mut world = self.world.borrow_mut();
        let path = format!("/dev/fd/{}", 63 - (world.substituted.len() % 40));
        world.substituted.insert(path.clone(), out);
        Ok(path)
    }

    /// Calls a function.
    pub(super) fn function(&mut self, name: &str, body: &ast::FunctionBody, args: &[String]) -> Outcome {
        self.deeper()?;
        let args = std::mem::replace(&mut self.args, args.to_vec());
        let loops = std::mem::take(&mut self.loops);
        self.hidden.push(BTreeMap::new());
        self.names.push(name.to_owned());
        let redirects = body.1.as_ref().map(|list| list.0.iter());
        let came = self.redirected(redirects, |shell| shell.compound(&body.0));
        self.names.pop();
        for (name, var) in self.hidden.pop().unwrap_or_default() {
            match var {
                Some(var) => drop(self.vars.insert(name, var)),
                None => drop(self.vars.remove(&name)),
            }
        }
        (self.args, self.loops) = (args, loops);
        self.depth -= 1;
        match came {
            Err(Flow::Return(status)) => Ok(status),
            other => other,
        }
    }
}

/// Whether the status of a command is that of one within it, which was looked at already.
fn is_transparent(command: &ast::Command) -> bool {
    matches!(command, ast::Command::Compound(compound, _) if !matches!(compound, Compound::Subshell(_) | Compound::Arithmetic(_)))
}
