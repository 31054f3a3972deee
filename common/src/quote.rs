//! Names and paths in messages, which others may have chosen: one line stays one line, and a
//! command in advice means what it says.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

/// Returns a text with its control characters escaped: `\n`, `\u{1b}`. A newline would begin a
/// second line, which could pass for another message, and an escape sequence would talk to the
/// terminal.
pub fn escaped(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_control() {
            line.extend(character.escape_default());
        } else {
            line.push(character);
        }
    }
    line
}

/// Returns a name or path to be shown: as it is, or in quotes where it holds more than letters,
/// digits and `/._-+@:,=~%`.
pub fn shown(name: impl AsRef<OsStr>) -> String {
    let name = name.as_ref();
    if is_plain(name) { name.to_string_lossy().into() } else { format!("{name:?}") }
}

/// Returns a word of a command, quoted for sh(1) where it has to be. One with control characters,
/// or that is not UTF-8, is quoted in `$'...'`, which POSIX has since 2024.
pub fn quoted(word: impl AsRef<OsStr>) -> String {
    let word = word.as_ref();
    // A word that begins with a tilde is another one to the shell.
    if is_plain(word) && !word.as_bytes().starts_with(b"~") {
        return word.to_string_lossy().into();
    }
    match word.to_str() {
        Some(word) if !word.contains(char::is_control) => {
            format!("'{}'", word.replace('\'', r"'\''"))
        }
        _ => {
            let escape = |byte: &u8| match byte {
                b' '..=b'~' if !b"'\\".contains(byte) => char::from(*byte).to_string(),
                byte => format!("\\{byte:03o}"),
            };
            format!("$'{}'", word.as_bytes().iter().map(escape).collect::<String>())
        }
    }
}

/// Returns a path as it was before the kernel has shown it in a line of mountinfo, where some characters are octal numbers:
/// proc_pid_mountinfo(5).
pub fn unescaped(word: &str) -> PathBuf {
    let mut parts = word.split('\\');
    let mut path = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        match part.get(..3).and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(byte) => path.extend([&[byte], &part.as_bytes()[3..]].concat()),
            None => path.extend([b"\\", part.as_bytes()].concat()),
        }
    }
    OsString::from_vec(path).into()
}

fn is_plain(word: &OsStr) -> bool {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"/._-+@:,=~%".contains(byte);
    !word.is_empty() && word.as_bytes().iter().all(plain)
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn a_plain_path_is_left_as_it_is() {
        for path in ["/tmp/busybox", "~/a-b_c.d"] {
            assert_eq!(shown(path), path);
        }
        assert_eq!(quoted("/tmp/busybox"), "/tmp/busybox");
    }

    #[test]
    fn a_path_with_a_newline_is_one_line() {
        let path = "/no\nERROR \x1b[2J";
        for line in [shown(path), quoted(path), escaped(path)] {
            assert!(!line.contains(char::is_control), "{line:?}");
        }
    }

    #[test]
    fn a_shell_reads_what_was_quoted() {
        for word in ["", "a b", "~", "it's", "$(id)`id`", "\"", "*", "a\\b", "a\nb\x1b'", "-n é"] {
            let script = format!("printf %s {}", quoted(word));
            let output = Command::new("bash").args(["-c", &script]).output().unwrap();
            assert_eq!(String::from_utf8(output.stdout).unwrap(), word, "{script}");
        }
    }

    #[test]
    fn a_path_of_mountinfo_is_read_as_it_was() {
        assert_eq!(unescaped("/a\\040b\\134c\\x"), PathBuf::from("/a b\\c\\x"));
    }
}
