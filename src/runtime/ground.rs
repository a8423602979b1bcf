//! The answer to OSC 11, the question for the terminal's ground: what it looks like, and what colour it says. Pure.
//!
//! Not asked for: DEC mode 2031, by which some terminals tell unasked that their colours changed. crossterm's parser waits for the
//! end of such a report (`CSI ? 997 ; 1 n`) until a `u` or a `c` is typed, and the keyboard would be dead until then.

/// The question, with the end (BEL) that terminals then answer with.
pub const QUESTION: &str = "\x1b]11;?\x07";

const HEADS: [&str; 2] = ["11;rgb:", "11;rgba:"];

/// Longest list of four channels: `ffff/ffff/ffff/ffff`.
const MOST: usize = 19;

/// It may become an answer when more comes.
pub fn begins(text: &str) -> bool {
    HEADS.iter().any(|head| match text.strip_prefix(head) {
        Some(rest) => rest.len() <= MOST && rest.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'/'),
        None => head.starts_with(text),
    })
}

/// The colour of an answer without its ends: `11;rgb:` and three channels (`rgba:` and four) of one to four hex digits each.
/// `None` for anything else.
pub fn answer(text: &str) -> Option<[u8; 3]> {
    let channels = HEADS.iter().find_map(|head| text.strip_prefix(head))?;
    let mut channels = channels.split('/').map(channel);
    let rgb = [channels.next()??, channels.next()??, channels.next()??];
    let rest: Option<Vec<u8>> = channels.collect();
    rest.filter(|rest| rest.len() <= 1).map(|_| rgb)
}

/// Of 16, 256, 4096 or 65536 steps, to 256.
fn channel(digits: &str) -> Option<u8> {
    let most = match digits.len() {
        length @ 1..=4 => 16_u32.pow(length as u32) - 1,
        _ => return None,
    };
    let value = digits.bytes().all(|byte| byte.is_ascii_hexdigit()).then(|| u32::from_str_radix(digits, 16).ok())??;
    u8::try_from((value * 255 + most / 2) / most).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn channels_of_any_length() {
        assert_eq!(answer("11;rgb:ffff/8080/0000"), Some([255, 128, 0]));
        assert_eq!(answer("11;rgb:f/8/0"), Some([255, 136, 0]));
        assert_eq!(answer("11;rgba:1e1e/1e1e/2e2e/ffff"), Some([0x1e, 0x1e, 0x2e]));
        let garbage = [
            "",
            "11;rgb:",
            "11;rgb:1/2",
            "11;rgb:1/2/3/4/5",
            "11;rgb:+1/2/3",
            "11;rgb:12345/1/1",
            "10;rgb:1/1/1",
            "11;?",
        ];
        for garbage in garbage {
            assert_eq!(answer(garbage), None, "{garbage}");
        }
    }

    proptest! {
        #[test]
        fn nothing_makes_it_panic_and_every_answer_begins_as_one(text in "11;rgba?:[0-9a-f/]{0,24}|\\PC{0,20}") {
            prop_assert!(answer(&text).is_none() || begins(&text));
        }
    }
}
