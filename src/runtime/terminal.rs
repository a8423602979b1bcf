//! The terminal: taken over, given back. However the program ends, what is left behind is a clean shell.

use crossterm::event::{DisableBracketedPaste, EnableBracketedPaste};
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

/// The terminal while it is ours. Given back when dropped.
pub struct Screen {
    terminal: Terminal<CrosstermBackend<BufWriter<Stdout>>>,
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
            Ok(terminal) => Ok(Self { terminal }),
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
            self.terminal.autoresize()?;
            self.terminal.clear()?;
        }
        self.terminal.draw(|frame| paint(frame.area(), frame.buffer_mut()))?;
        execute!(stdout_of(&mut self.terminal), EndSynchronizedUpdate)
    }

    /// Sets the clipboard of the terminal (OSC 52).
    pub fn copy(&mut self, text: &str) -> io::Result<()> {
        use base64::Engine;
        let encoded = base64::engine::general_purpose::STANDARD.encode(text);
        let out = stdout_of(&mut self.terminal);
        write!(out, "\x1b]52;c;{encoded}\x07")?;
        out.flush()
    }

    /// Gives the terminal back and stops the process as Ctrl-Z does elsewhere; takes it over again when continued.
    #[expect(clippy::unused_self, reason = "only who holds the screen may give it back or take it over")]
    pub fn suspend(&mut self) -> io::Result<()> {
        leave();
        rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::TSTP)?;
        enter()
    }

    /// Takes it over again after somebody else stopped and continued the process.
    #[expect(clippy::unused_self, reason = "only who holds the screen may give it back or take it over")]
    pub fn retake(&mut self) -> io::Result<()> {
        enter()
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        leave();
    }
}

fn stdout_of(terminal: &mut Terminal<CrosstermBackend<BufWriter<Stdout>>>) -> &mut CrosstermBackend<BufWriter<Stdout>> {
    terminal.backend_mut()
}

fn enter() -> io::Result<()> {
    enable_raw_mode()?;
    execute!(stdout(), EnterAlternateScreen, EnableBracketedPaste, cursor::Hide)
}

/// Leaves the terminal clean. Errors are of no use: there is nowhere left to show them.
pub fn leave() {
    let _ = execute!(stdout(), EndSynchronizedUpdate, DisableBracketedPaste, LeaveAlternateScreen, cursor::Show);
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
