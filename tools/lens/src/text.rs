//! How names, paths and flags of a call are written.

/// Returns a text as it is where no character of it could be taken for anything else, and else quoted, with control
/// characters and quotes escaped.
pub fn quoted(text: &[u8]) -> String {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"/._:=+@%-#~".contains(byte);
    let text_lossy = String::from_utf8_lossy(text);
    if !text.is_empty() && text.iter().all(plain) {
        text_lossy.into_owned()
    } else {
        always_quoted(text)
    }
}

/// Returns a text in quotes, with control characters and quotes escaped.
pub fn always_quoted(text: &[u8]) -> String {
    format!("{:?}", String::from_utf8_lossy(text))
}

/// The flags of an argument: the prefix of their names, and each with its bits.
#[derive(Clone, Copy, Debug)]
pub struct Flags {
    /// What all names begin with, as in `CLONE_`.
    pub prefix: &'static str,
    /// The bits, and the name with its prefix.
    pub names: &'static [(u64, &'static str)],
}

/// Makes [`Flags`] of constants of the C library, `flags!("MS_", MS_RDONLY, MS_NOSUID)`, and of those that it does not
/// have: `flags!("MS_", MS_RDONLY; "MS_OWN" = 0x1)`.
#[macro_export]
macro_rules! flags {
    ($prefix:literal, $($name:ident),+ $(,)? $(; $($own:literal = $bits:literal),+)?) => {
        $crate::text::Flags {
            prefix: $prefix,
            names: &[
                $((nix::libc::$name as u64, stringify!($name)),)+
                $($(($bits, $own)),+)?
            ],
        }
    };
}

impl Flags {
    /// Returns the names of the flags in `value`, the prefix once: `MS_NOSUID|NODEV`. Bits without a name are a number.
    pub fn show(self, value: u64) -> String {
        let mut rest = value;
        let mut shown = String::new();
        for (bits, name) in self.names {
            if *bits != 0 && rest & bits == *bits {
                rest &= !bits;
                let name = name.strip_prefix(self.prefix).unwrap_or(name);
                shown += if shown.is_empty() { self.prefix } else { "|" };
                shown += name;
            }
        }
        match (shown.is_empty(), rest) {
            (true, 0) => "0".into(),
            (true, rest) => format!("{rest:#x}"),
            (false, 0) => shown,
            (false, rest) => format!("{shown}|{rest:#x}"),
        }
    }

    /// Returns the name of the one constant that `value` is, or the number.
    pub fn name(self, value: u64) -> String {
        let known = self.names.iter().find(|(constant, _)| *constant == value);
        known.map_or_else(|| value.to_string(), |(_, name)| name.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_prefix_of_flags_is_written_once_and_unknown_bits_are_a_number() {
        let flags = flags!("MS_", MS_NOSUID, MS_NODEV);
        assert_eq!(flags.show(0), "0");
        assert_eq!(flags.show(2 | 4), "MS_NOSUID|NODEV");
        assert_eq!(flags.show(2 | 1 << 30), "MS_NOSUID|0x40000000");
    }

    #[test]
    fn text_of_others_is_quoted_where_it_could_be_taken_for_something_else() {
        assert_eq!(quoted(b"/proc"), "/proc");
        assert_eq!(quoted(b""), "\"\"");
        assert_eq!(quoted(b"a b"), "\"a b\"");
        assert_eq!(quoted(b"\x1b[31m\n"), "\"\\u{1b}[31m\\n\"");
    }
}
