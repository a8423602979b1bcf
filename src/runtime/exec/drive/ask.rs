//! What the operator is asked: to go on with a step, or to do one by hand, tick by tick.

use super::super::by_hand::{self, Question};
use super::Run;
use crate::domain::reason;
use crate::domain::record::RecordKind;
use crate::effect::RunAnswer;
use crate::event::{RunEvent, TaskList};
use crate::runbook::Answer;
use crate::runbook::machine::Answered;
use crate::runbook::model::Role;
use crate::runbook::plan::PlannedStep;
use std::sync::PoisonError;

impl Run {
    pub(super) async fn ask(&mut self, step: usize) -> Answered {
        if let Some(call) = self.read(step).manual.call.clone() {
            return self.call(step, &call).await;
        }
        if self.read(step).is_manual() {
            return self.ask_by_hand(step).await;
        }
        // Another host of the same step may have been answered for meanwhile.
        self.step.answer = self.step.answer.take().or_else(|| self.answer_of(step));
        if self.step.answer.is_some() {
            return Answered::Go;
        }
        loop {
            self.put_question(step).await;
            match self.answer().await {
                None | Some(RunAnswer::Leave) => return self.leave(),
                Some(RunAnswer::Stop) => return Answered::Stop,
                Some(RunAnswer::Skip(why)) => {
                    if let Some(skipped) = self.skip(&why).await {
                        return skipped;
                    }
                }
                Some(RunAnswer::Confirm(answer)) => match self.plan.refuses(&self.planned(step).id, Some(&answer)) {
                    None => {
                        self.note_answer(step, &answer);
                        self.step.answer = Some(answer);
                        return Answered::Go;
                    }
                    Some(refusal) => self.exec.trouble(Some(self.id), &refusal.to_string()).await,
                },
                // An answer to another kind of question: ask again.
                Some(_) => {}
            }
        }
    }

    /// The step is passed over; `None`: that is no reason, and whoever gave it is told.
    pub(in super::super) async fn skip(&self, why: &str) -> Option<Answered> {
        match reason::given(why) {
            Ok(why) => Some(Answered::Skip(why)),
            Err(wanted) => {
                self.exec.trouble(Some(self.id), &format!("it is not skipped: {wanted}")).await;
                None
            }
        }
    }

    /// What was answered for a step, on whatever host.
    pub(super) fn answer_of(&self, step: usize) -> Option<Answer> {
        let answered = self.answered.lock().unwrap_or_else(PoisonError::into_inner);
        answered.get(self.planned(step).of()).cloned()
    }

    fn note_answer(&self, step: usize, answer: &Answer) {
        let mut answered = self.answered.lock().unwrap_or_else(PoisonError::into_inner);
        answered.insert(self.planned(step).of().to_owned(), answer.clone());
    }

    async fn put_question(&mut self, step: usize) {
        self.asks();
        let planned = self.planned(step);
        let ask = RunEvent::Ask {
            run: self.id,
            step: planned.id.clone(),
            prompt: format!("{}{}", self.about(planned), sends(planned)),
            phrase: planned.phrase.clone(),
            manual: false,
            list: TaskList::default(),
            ways: Vec::new(),
        };
        self.exec.tell(ask).await;
    }

    /// A person does it: every tick and every choice is recorded when it is made.
    async fn ask_by_hand(&mut self, step: usize) -> Answered {
        let asked = Question::of(self.read(step), self.scene(step), &self.plan.body().params);
        let mut list = asked.list();
        self.keep_asked(&asked);
        loop {
            self.asks();
            let ask = RunEvent::Ask {
                run: self.id,
                step: self.planned(step).id.clone(),
                prompt: self.prompt(step, &asked),
                phrase: None,
                manual: true,
                list: list.clone(),
                ways: Vec::new(),
            };
            self.exec.tell(ask).await;
            match self.ticked(step, &mut list).await {
                None | Some(RunAnswer::Leave) => return self.leave(),
                Some(RunAnswer::Stop) => return Answered::Stop,
                Some(RunAnswer::Skip(why)) => {
                    if let Some(skipped) = self.skip(&why).await {
                        return skipped;
                    }
                }
                Some(RunAnswer::Done) => match list.missing() {
                    None => return Answered::Done(self.chosen(step, &list)),
                    Some(missing) => self.exec.trouble(Some(self.id), &format!("it is not done: {missing}")).await,
                },
                // An answer to another kind of question: ask again.
                Some(_) => {}
            }
        }
    }

    /// Which step it is and where, and what is asked.
    fn prompt(&self, step: usize, Question { text, .. }: &Question) -> String {
        let gap = if text.is_empty() { "" } else { "\n\n" };
        format!("{}{gap}{text}", self.about(self.planned(step)))
    }

    /// What was asked stands in the journal as it was shown, where the page alone does not say it. What was ticked is recorded by itself.
    fn keep_asked(&mut self, asked: &Question) {
        if asked.is_filled {
            self.step.keep_text(&asked.text);
        }
    }

    /// Takes ticks and choices until another answer comes; `None`: nobody answers any more, or the journal takes nothing.
    async fn ticked(&mut self, step: usize, list: &mut TaskList) -> Option<RunAnswer> {
        loop {
            let answer = self.answer().await?;
            let Some(data) = by_hand::take(list, &answer) else { return Some(answer) };
            if !self.write(RecordKind::StepTick, Some(step), data).await {
                return None;
            }
        }
    }

    /// What was done by hand, in words; a choice is known under the step's name from now on.
    fn chosen(&mut self, step: usize, list: &TaskList) -> String {
        let Some(choice) = list.choice() else { return "done by hand".to_owned() };
        // Conditions compare with the text as it stands in the file.
        let read = self.read(step);
        let written = list.chosen.and_then(|chosen| read.manual.choices.get(chosen)).cloned();
        let name = read.name();
        self.values.insert(name, written.into());
        format!("chosen: {choice}")
    }
}

/// What is sent when it is answered, below what it is about.
fn sends(planned: &PlannedStep) -> String {
    let run = planned.fences.iter().find(|fence| fence.role == Role::Run && !fence.is_left_out());
    let lines = |sent: &str| sent.trim_end().lines().map(|line| format!("\n  {line}")).collect::<String>();
    run.map_or_else(String::new, |run| format!("\n\nsends, by {} on {}:{}", run.language, run.on, lines(&run.sent)))
}
