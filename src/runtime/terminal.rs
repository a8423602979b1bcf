//! The terminal: taken over, given back. However the program ends, what is left behind is a clean shell.

use super::ground;
use super::seat::Shown;
use crate::domain::notify::{Notify, Osc};
use crate::domain::text;
use crossterm::event::{DisableBracketedPaste, EnableBracketedPaste};
use crossterm::style::{Colors, Print, SetColors};
use crossterm::terminal::{
    BeginSynchronizedUpdate, Clear, ClearType, EndSynchronizedUpdate, EnterAlternateScreen, LeaveAlternateScreen,
    disable_raw_mode, enable_raw_mode,
};
use crossterm::{cursor, execute, queue};
use ratatui::backend::{CrosstermBackend, IntoCrossterm};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::{Terminal, TerminalOptions, Viewport};
use std::io::{self, BufWriter, Stdout, Write, stdout};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// The terminal is ours. Leaving twice would put the cursor back over what was printed since: a panic's report.
static OURS: AtomicBool = AtomicBool::new(false);

/// The mouse is listened to, whenever the terminal is ours.
static MOUSE: AtomicBool = AtomicBool::new(false);

/// What is painted just now is on the screen already, and not sent.
static MUTE: AtomicBool = AtomicBool::new(false);

/// Presses and the wheel (1000), with cells beyond the 223rd (1006). Not crossterm's own command: that asks for every movement too, and
/// a hand on the desk would wake the program.
const LISTEN: &str = "\x1b[?1000h\x1b[?1006h";
const LISTEN_NO_MORE: &str = "\x1b[?1006l\x1b[?1000l";

/// The terminal while it is ours. Given back when dropped.
pub struct Screen {
    terminal: Terminal<CrosstermBackend<Out>>,
    /// Nothing was painted yet. What comes back after a stop is painted whole.
    empty: bool,
    /// It was taken over again after a stop of our own, and the signal that tells of the end of that stop is to come.
    retaken: bool,
    /// There is no terminal: columns and rows of what is painted and goes nowhere.
    unseen: Option<(u16, u16)>,
    /// Sees each frame.
    shown: Option<Shown>,
}

impl Screen {
    /// Takes the terminal over: raw mode, alternate screen, bracketed paste.
    pub fn take() -> io::Result<Self> {
        // Whether there is colour is the theme's decision; crossterm's own reading of NO_COLOR would drop bold and
        // reverse too.
        crossterm::style::force_color_output(true);
        enter()?;
        let out = Out(BufWriter::with_capacity(64 * 1024, stdout()));
        match Terminal::new(CrosstermBackend::new(out)) {
            Ok(terminal) => Ok(Self { terminal, empty: true, retaken: false, unseen: None, shown: None }),
            Err(error) => {
                leave();
                Err(error)
            }
        }
    }

    /// Takes no terminal: what is painted goes nowhere, as it does wherever the terminal is not ours.
    pub fn unseen(size: (u16, u16)) -> io::Result<Self> {
        let out = Out(BufWriter::with_capacity(64 * 1024, stdout()));
        let area = Rect { x: 0, y: 0, width: size.0, height: size.1 };
        let options = TerminalOptions { viewport: Viewport::Fixed(area) };
        let terminal = Terminal::with_options(CrosstermBackend::new(out), options)?;
        Ok(Self { terminal, empty: false, retaken: false, unseen: Some(size), shown: None })
    }

    /// Somebody sees each frame from now on.
    pub fn show_to(&mut self, shown: Option<Shown>) {
        self.shown = shown;
    }

    /// Tells who looks that what so many keys changed is on it, and what every source was asked at that moment or later.
    pub fn settled(&self, keys: u64, as_of: impl FnOnce() -> Duration) {
        if let Some(shown) = &self.shown {
            shown.settled(keys, as_of());
        }
    }

    /// Columns and rows.
    pub fn size(&self) -> io::Result<(u16, u16)> {
        if let Some(size) = self.unseen {
            return Ok(size);
        }
        self.terminal.size().map(|size| (size.width, size.height))
    }

    /// Paints one frame, only what changed; all of it with `whole`. In one synchronised update, so that nothing tears. `ground` is what
    /// lies under everything.
    pub fn draw(&mut self, whole: bool, ground: Style, paint: impl FnOnce(Rect, &mut Buffer)) -> io::Result<()> {
        queue!(stdout_of(&mut self.terminal), BeginSynchronizedUpdate)?;
        if std::mem::take(&mut self.empty) && erases_in_colour() {
            self.lay(ground)?;
        }
        if whole {
            // Not `clear`: that asks the terminal where its cursor is, and waits for an answer which the reader of keys
            // takes away, or which a terminal never gives.
            let (width, height) = self.size()?;
            self.terminal.resize(Rect { x: 0, y: 0, width, height })?;
        }
        let shown = self.shown.as_ref();
        self.terminal.draw(|frame| {
            paint(frame.area(), frame.buffer_mut());
            if let Some(shown) = shown {
                shown.tell(frame.buffer_mut());
            }
        })?;
        execute!(stdout_of(&mut self.terminal), EndSynchronizedUpdate)
    }

    /// Has the terminal colour its empty screen, and takes that for painted: ten thousand blanks need not be sent.
    fn lay(&mut self, ground: Style) -> io::Result<()> {
        MUTE.store(true, Ordering::Relaxed);
        let laid = self.terminal.draw(|frame| {
            let area = frame.area();
            frame.buffer_mut().set_style(area, ground);
        });
        let painted = laid.map(|_| ());
        MUTE.store(false, Ordering::Relaxed);
        painted?;
        let colours = Colors { foreground: None, background: ground.bg.map(IntoCrossterm::into_crossterm) };
        queue!(stdout_of(&mut self.terminal), SetColors(colours), Clear(ClearType::All))
    }

    /// Sets the clipboard of the terminal (OSC 52).
    pub fn copy(&mut self, text: &str) -> io::Result<()> {
        use base64::Engine;
        let encoded = base64::engine::general_purpose::STANDARD.encode(text);
        let inside_tmux = std::env::var_os("TMUX").is_some_and(|value| !value.is_empty());
        let out = stdout_of(&mut self.terminal);
        out.write_all(clipboard(&encoded, inside_tmux).as_bytes())?;
        out.flush()
    }

    /// Asks the terminal for the colour of its ground (OSC 11).
    pub fn ask_ground(&mut self) -> io::Result<()> {
        self.say(ground::QUESTION)
    }

    /// Rings, and notifies where that is known to be shown.
    pub fn notify(&mut self, how: &Notify, text: &str) -> io::Result<()> {
        self.say(&notice(how, text))
    }

    /// Writes what moves no cursor and changes no cell.
    fn say(&mut self, sequence: &str) -> io::Result<()> {
        let out = stdout_of(&mut self.terminal);
        out.write_all(sequence.as_bytes())?;
        out.flush()
    }

    /// Listens to the mouse, or leaves it to the terminal, which then selects text with it.
    pub fn mouse(&mut self, on: bool) -> io::Result<()> {
        if MOUSE.swap(on, Ordering::Relaxed) == on {
            return Ok(());
        }
        execute!(stdout_of(&mut self.terminal), Print(if on { LISTEN } else { LISTEN_NO_MORE }))
    }

    /// Gives the terminal back and stops the process group as Ctrl-Z does elsewhere; takes it over again when
    /// continued. False, and nothing happens, when no shell is there that could continue it.
    pub fn suspend(&mut self) -> io::Result<bool> {
        use rustix::process::{Signal, getpgrp, getsid, kill_current_process_group};
        // A shell with job control gives each job a group of its own. In the group that began the session (a container's
        // first process, a terminal that runs a program in place of a shell) a stopped program stays stopped for ever.
        if self.unseen.is_some() || getpgrp() == getsid(None)? {
            return Ok(false);
        }
        leave();
        // Not SIGTSTP, which comes back to this program as a wish to be stopped.
        kill_current_process_group(Signal::STOP)?;
        enter()?;
        self.retaken = true;
        Ok(true)
    }

    /// Takes it over again after somebody else stopped and continued the process.
    pub fn retake(&mut self) -> io::Result<()> {
        if std::mem::take(&mut self.retaken) || self.unseen.is_some() { Ok(()) } else { enter() }
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        if let Some(shown) = &self.shown {
            shown.end();
        }
        leave();
    }
}

/// The sequence that sets the clipboard (OSC 52), from base64. Inside tmux twice: for tmux itself (`set-clipboard`), and wrapped so that it
/// is handed through to the terminal outside (`allow-passthrough`); which of the two it takes is its configuration.
fn clipboard(encoded: &str, inside_tmux: bool) -> String {
    let plain = format!("\x1b]52;c;{encoded}\x07");
    if inside_tmux { format!("{plain}\x1bPtmux;\x1b{plain}\x1b\\") } else { plain }
}

fn stdout_of(terminal: &mut Terminal<CrosstermBackend<Out>>) -> &mut CrosstermBackend<Out> {
    terminal.backend_mut()
}

/// Standard output; or nowhere, for a frame that the terminal shows already, and once the terminal is given back: ratatui shows the cursor
/// as its last act, and panics where a terminal that was closed takes neither that nor the complaint about it.
struct Out(BufWriter<Stdout>);

impl Write for Out {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let nowhere = MUTE.load(Ordering::Relaxed) || !OURS.load(Ordering::Relaxed);
        if nowhere { Ok(bytes.len()) } else { self.0.write(bytes) }
    }

    fn flush(&mut self) -> io::Result<()> {
        if OURS.load(Ordering::Relaxed) { self.0.flush() } else { Ok(()) }
    }
}

/// The terminal colours what it erases (terminfo's `bce`): all but GNU screen, which says so in its name. tmux may bear the same name and
/// does, but then it is told by its own.
fn erases_in_colour() -> bool {
    std::env::var("TERM").is_ok_and(|term| !term.starts_with("screen") && term != "dumb")
}

fn enter() -> io::Result<()> {
    OURS.store(true, Ordering::Relaxed);
    enable_raw_mode()?;
    // A program that was killed may have left it on, and its reports would make the keyboard deaf: see `ground`.
    stdout().write_all(b"\x1b[?2031l")?;
    let listen = if MOUSE.load(Ordering::Relaxed) { LISTEN } else { "" };
    execute!(stdout(), EnterAlternateScreen, EnableBracketedPaste, cursor::Hide, Print(listen))
}

/// A bell, and an OSC 9 or OSC 777 with the text; through tmux to the terminal around it when that is asked for.
fn notice(how: &Notify, text: &str) -> String {
    // A semicolon would begin another field, and a control character would end the text.
    let text: String = text::clean(text).replace(';', ",");
    let osc = match how.osc {
        Osc::Off | Osc::Auto => String::new(),
        Osc::Nine => format!("\x1b]9;{text}\x07"),
        Osc::SevenSevenSeven => format!("\x1b]777;notify;quarterdeck;{text}\x07"),
    };
    let osc = if how.tmux && !osc.is_empty() { format!("\x1bPtmux;\x1b{osc}\x1b\\") } else { osc };
    format!("{}{osc}", if how.bell { "\x07" } else { "" })
}

/// Leaves the terminal clean, if it is ours. Errors are of no use: there is nowhere left to show them.
pub fn leave() {
    if !OURS.swap(false, Ordering::Relaxed) {
        return;
    }
    let listened = if MOUSE.load(Ordering::Relaxed) { LISTEN_NO_MORE } else { "" };
    let _ = execute!(
        stdout(),
        Print(listened),
        EndSynchronizedUpdate,
        DisableBracketedPaste,
        LeaveAlternateScreen,
        cursor::Show
    );
    let _ = disable_raw_mode();
}

/// A panic of the screen's own thread gives the terminal back before it is reported; one of a task is the task's matter, and is logged.
pub fn restore_on_panic() {
    let screen_thread = std::thread::current().id();
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        if std::thread::current().id() == screen_thread {
            leave();
            report(info);
        } else {
            tracing::error!("a task panicked: {info}");
        }
    }));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tmux_is_told_twice() {
        assert_eq!(clipboard("aGk=", false), "\x1b]52;c;aGk=\x07");
        assert_eq!(clipboard("aGk=", true), "\x1b]52;c;aGk=\x07\x1bPtmux;\x1b\x1b]52;c;aGk=\x07\x1b\\");
    }

    #[test]
    fn a_notice_in_each_form() {
        let how = |bell, osc, tmux| Notify { bell, osc, tmux, ..Notify::default() };
        let text = "critical: a;b\x1b]52;c;x\x07";
        assert_eq!(notice(&how(true, Osc::Off, false), text), "\x07");
        assert_eq!(notice(&how(false, Osc::Nine, false), text), "\x1b]9;critical: a,b␛]52,c,x␇\x07");
        assert_eq!(notice(&how(false, Osc::SevenSevenSeven, false), "x"), "\x1b]777;notify;quarterdeck;x\x07");
        assert_eq!(notice(&how(true, Osc::Nine, true), "x"), "\x07\x1bPtmux;\x1b\x1b]9;x\x07\x1b\\");
        assert_eq!(notice(&how(false, Osc::Off, true), "x"), "");
    }
}
