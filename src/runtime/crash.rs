//! What a defect says of itself: message and place, harmless, and without any secret that is known. A message may quote what was worked on:
//! that of a text which is cut in the middle of a letter holds the text.

use crate::domain::text;
use crate::redact::Redactor;
use std::backtrace::{Backtrace, BacktraceStatus};
use std::io::{Write, stderr};
use std::panic::PanicHookInfo;
use std::sync::OnceLock;

/// A panic may come from anywhere, and is reported by one hook for the whole process.
static KNOWN: OnceLock<Redactor> = OnceLock::new();

/// From now on a panic is reported on standard error in this way.
pub fn install() {
    // Where standard error is gone too, nobody is left to be told.
    std::panic::set_hook(Box::new(|info| drop(stderr().write_all(report(info).as_bytes()))));
}

/// What this knows, now or later, is hidden in reports.
pub fn hide(redactor: &Redactor) {
    let _ = KNOWN.set(redactor.clone());
}

/// All that is said, several lines.
fn report(info: &PanicHookInfo<'_>) -> String {
    let thread = std::thread::current();
    let name = thread.name().unwrap_or("unnamed").to_owned();
    let said = format!(
        "quarterdeck ended by a defect of its own, in the thread {name}: {info}\n\
         Please report it, with this text and what you did. `quarterdeck runbook resume` tells what became of a run that was under way.\n"
    );
    let backtrace = Backtrace::capture();
    let told = match backtrace.status() {
        BacktraceStatus::Captured => format!("{said}{backtrace}\n"),
        _ => said,
    };
    let told = KNOWN.get().map_or(told.clone(), |known| known.text(&told).into_owned());
    text::clean_lines(&told)
}
