//! Lines that belong to what a program tells in several: stack traces, whose own lines say no level, and are not all indented.
//!
//! A rule by the shape of a line, and not by what follows an error: a program that writes a time on its log lines and none on the
//! rest (an access log, say) would have all of that taken for the error above.

/// How a line without a level belongs to the one before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// It stands by itself.
    Own,
    /// It goes on with what the line before it tells.
    More,
    /// A trace begins here: an error, whatever stands before it.
    Start,
}

/// How a trace begins that nobody caught.
const STARTS: [&str; 6] = [
    "Traceback (most recent call last)",
    "Exception in thread ",
    "Unhandled exception",
    "Unhandled Exception",
    "Uncaught ",
    "uncaught exception",
];

/// What stands between the parts of one, at the beginning of a line.
const JOINTS: [&str; 13] = [
    "Caused by: ",
    "Caused by ",
    "Suppressed: ",
    "Wrapped by: ",
    "During handling of the above exception",
    "The above exception was the direct cause",
    "--- End of ",
    "---> ",
    "... ",
    "goroutine ",
    "created by ",
    "stack backtrace:",
    "note: run with `RUST_BACKTRACE",
];

impl Part {
    /// Of a line that says no level.
    pub fn of(line: &str) -> Self {
        let panicked = || line.starts_with("thread '") && line.contains("' panicked at ");
        if STARTS.iter().any(|start| line.starts_with(start)) || panicked() {
            return Self::Start;
        }
        let more = line.is_empty()
            || line.starts_with([' ', '\t'])
            || JOINTS.iter().any(|joint| line.starts_with(joint))
            || is_exception(line)
            || is_call(line);
        if more { Self::More } else { Self::Own }
    }
}

/// `java.lang.IllegalStateException: no`, `ValueError: x`, `KeyError`: a class by its name, alone or before a colon.
fn is_exception(line: &str) -> bool {
    let part = |char: char| char.is_ascii_alphanumeric() || matches!(char, '_' | '.' | '$' | '\\');
    let end = line.find(|char| !part(char)).unwrap_or(line.len());
    let (path, rest) = line.split_at(end);
    let mut names = path.split(['.', '\\']);
    let Some(class) = names.next_back() else { return false };
    let named = class.ends_with("Error") || class.ends_with("Exception");
    // Some exceptions are called otherwise: then the path before it must look like one of a package.
    let packages = path.contains('.')
        && names.all(|name| name.starts_with(|char: char| char.is_ascii_lowercase()))
        && class.starts_with(|char: char| char.is_ascii_uppercase())
        && path.matches('.').count() > 1;
    let ends = rest.is_empty() || rest.starts_with(": ") || rest == ":";
    class.starts_with(|char: char| char.is_ascii_uppercase()) && (named || packages) && ends
}

/// `net/http.(*conn).serve(0xc0001, 0x2)`: a frame as Go writes it, with its place indented below.
fn is_call(line: &str) -> bool {
    let Some(inside) = line.strip_suffix(')') else { return false };
    let Some(open) = inside.rfind('(') else { return false };
    let name = &inside[..open];
    let dotted = name.rsplit('/').next().is_some_and(|name| name.contains('.'));
    dotted && name.starts_with(|char: char| char.is_ascii_alphabetic()) && !name.contains(char::is_whitespace)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn lines_of_traces_are_told_from_others() {
        let more = [
            "",
            "\tat com.example.Main.run(Main.java:7)",
            "Caused by: java.io.IOException: broken pipe",
            "java.lang.IllegalStateException: no connection",
            "org.acme.db.Timeout: after 5s",
            "ValueError: invalid literal",
            "KeyError",
            "requests.exceptions.ConnectionError: refused",
            "System.InvalidOperationException: no",
            "App\\Http\\NotFoundException: no",
            "---> System.IO.IOException: gone",
            "... 12 more",
            "goroutine 17 [running]:",
            "main.(*server).run(0xc000012345, 0x1)",
            "net/http.HandlerFunc.ServeHTTP(...)",
            "created by net/http.(*Server).Serve in goroutine 1",
            "stack backtrace:",
        ];
        for line in more {
            assert_eq!(Part::of(line), Part::More, "{line}");
        }
        for line in [
            "Traceback (most recent call last):",
            "Exception in thread \"main\" java.lang.Error: x",
            "thread 'main' panicked at src/main.rs:7:5:",
        ] {
            assert_eq!(Part::of(line), Part::Start, "{line}");
        }
        let own = [
            "a line of its own",
            "GET /users/1 200",
            "Listening on 0.0.0.0:80",
            "10.0.0.1 - - \"GET / HTTP/1.1\" 200",
            "no error was found (really)",
            "done (3 files)",
            "Error handling is on",
            "thread 'main' started",
            "example.com: ok",
            "v1.2.Final: released",
        ];
        for line in own {
            assert_eq!(Part::of(line), Part::Own, "{line}");
        }
    }

    proptest! {
        #[test]
        fn no_line_makes_it_panic(line in "\\PC*|[a-zE.()$: ]*") {
            let _ = Part::of(&line);
        }
    }
}
