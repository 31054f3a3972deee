//! The words that this program adds to the book, since a translation of the text can't reach them.

use serde::Deserialize;

/// Words in the book's language: `[preprocessor.stages.words.LANGUAGE]` in book.toml.
#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Words {
    /// Between a file and the items in it.
    pub within: String,
    /// Between two items.
    pub comma: String,
    /// Before a file that is shown whole.
    pub whole: String,
    /// The label of a console block for the other terminal.
    pub second_terminal: String,
    /// The label of a console block that takes a program, before its name.
    pub needs: String,
    /// The label of a console block for cgroup v1.
    pub cgroup_v1: String,
    /// The label of a console block for cgroup v2.
    pub cgroup_v2: String,
}

impl Default for Words {
    fn default() -> Words {
        Words {
            within: ", in ".into(),
            comma: ", ".into(),
            whole: "the whole of ".into(),
            second_terminal: "in a second terminal".into(),
            needs: "takes ".into(),
            cgroup_v1: "with cgroup v1".into(),
            cgroup_v2: "with cgroup v2".into(),
        }
    }
}
