//! The terminal: taken over, given back. However the program ends, what is left behind is a clean shell.

use crossterm::event::{DisableBracketedPaste, EnableBracketedPaste};
use crossterm::style::Print;
use crossterm::terminal::{
    BeginSynchronizedUpdate, EndSynchronizedUpdate, EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode,
    enable_raw_mode,
};
use crossterm::{cursor, execute, queue};
use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use std::io::{self, BufWriter, Stdout, Write, stdout};
use std::sync::atomic::{AtomicBool, Ordering};

/// The terminal is ours. Leaving twice would put the cursor back over what was printed since: a panic's report.
static OURS: AtomicBool = AtomicBool::new(false);

/// The mouse is listened to, whenever the terminal is ours.
static MOUSE: AtomicBool = AtomicBool::new(false);

/// Presses and the wheel (1000), with cells beyond the 223rd (1006). Not crossterm's own command: that asks for every movement too, and
/// a hand on the desk would wake the program.
const LISTEN: &str = "\x1b[?1000h\x1b[?1006h";
const LISTEN_NO_MORE: &str = "\x1b[?1006l\x1b[?1000l";

/// The terminal while it is ours. Given back when dropped.
pub struct Screen {
    terminal: Terminal<CrosstermBackend<BufWriter<Stdout>>>,
    /// It was taken over again after a stop of our own, and the signal that tells of the end of that stop is to come.
    retaken: bool,
}

impl Screen {
    /// Takes the terminal over: raw mode, alternate screen, bracketed paste.
    pub fn take() -> io::Result<Self> {
        // Whether there is colour is the theme's decision; crossterm's own reading of NO_COLOR would drop bold and
        // reverse too.
        crossterm::style::force_color_output(true);
        enter()?;
        let terminal = Terminal::new(CrosstermBackend::new(BufWriter::with_capacity(64 * 1024, stdout())));
        match terminal {
            Ok(terminal) => Ok(Self { terminal, retaken: false }),
            Err(error) => {
                leave();
                Err(error)
            }
        }
    }

    /// Columns and rows.
    pub fn size(&self) -> io::Result<(u16, u16)> {
        self.terminal.size().map(|size| (size.width, size.height))
    }

    /// Paints one frame, only what changed; all of it with `whole`. In one synchronised update, so that nothing tears.
    pub fn draw(&mut self, whole: bool, paint: impl FnOnce(Rect, &mut Buffer)) -> io::Result<()> {
        queue!(stdout_of(&mut self.terminal), BeginSynchronizedUpdate)?;
        if whole {
            // Not `clear`: that asks the terminal where its cursor is, and waits for an answer which the reader of keys
            // takes away, or which a terminal never gives.
            let (width, height) = self.size()?;
            self.terminal.resize(Rect { x: 0, y: 0, width, height })?;
        }
        self.terminal.draw(|frame| paint(frame.area(), frame.buffer_mut()))?;
        execute!(stdout_of(&mut self.terminal), EndSynchronizedUpdate)
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
        if getpgrp() == getsid(None)? {
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
        if std::mem::take(&mut self.retaken) { Ok(()) } else { enter() }
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        leave();
    }
}

/// The sequence that sets the clipboard (OSC 52), from base64. Inside tmux twice: for tmux itself (`set-clipboard`), and wrapped so that it
/// is handed through to the terminal outside (`allow-passthrough`); which of the two it takes is its configuration.
fn clipboard(encoded: &str, inside_tmux: bool) -> String {
    let plain = format!("\x1b]52;c;{encoded}\x07");
    if inside_tmux { format!("{plain}\x1bPtmux;\x1b{plain}\x1b\\") } else { plain }
}

fn stdout_of(terminal: &mut Terminal<CrosstermBackend<BufWriter<Stdout>>>) -> &mut CrosstermBackend<BufWriter<Stdout>> {
    terminal.backend_mut()
}

fn enter() -> io::Result<()> {
    OURS.store(true, Ordering::Relaxed);
    enable_raw_mode()?;
    let listen = if MOUSE.load(Ordering::Relaxed) { LISTEN } else { "" };
    execute!(stdout(), EnterAlternateScreen, EnableBracketedPaste, cursor::Hide, Print(listen))
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
    use super::clipboard;

    #[test]
    fn tmux_is_told_twice() {
        assert_eq!(clipboard("aGk=", false), "\x1b]52;c;aGk=\x07");
        assert_eq!(clipboard("aGk=", true), "\x1b]52;c;aGk=\x07\x1bPtmux;\x1b\x1b]52;c;aGk=\x07\x1b\\");
    }
}
