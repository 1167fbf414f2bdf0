//! The objects and what each can be asked: one section a request.

use crate::markdown::{brief, code, paragraphs, table, wrapped};
use crate::source::{self, item};
use abi::console::ConsoleRequest;
use abi::device::DeviceRequest;
use abi::fault::FaultRequest;
use abi::memory::MemoryRequest;
use abi::process::ProcessRequest;
use abi::system::SystemRequest;
use abi::thread::ThreadRequest;
use abi::{About, Field, Row};

struct Object {
    name: &'static str,
    source: &'static str,
    /// How the declaration of its requests begins.
    requests: &'static str,
    table: &'static [Row],
    manual: &'static [About],
}

const OBJECTS: [Object; 7] = [
    Object {
        name: "a process",
        source: source::PROCESS,
        requests: "ProcessRequest {",
        table: ProcessRequest::TABLE,
        manual: ProcessRequest::MANUAL,
    },
    Object {
        name: "a memory manager",
        source: source::MEMORY,
        requests: "MemoryRequest {",
        table: MemoryRequest::TABLE,
        manual: MemoryRequest::MANUAL,
    },
    Object {
        name: "a console",
        source: source::CONSOLE,
        requests: "ConsoleRequest {",
        table: ConsoleRequest::TABLE,
        manual: ConsoleRequest::MANUAL,
    },
    Object {
        name: "the system",
        source: source::SYSTEM,
        requests: "SystemRequest {",
        table: SystemRequest::TABLE,
        manual: SystemRequest::MANUAL,
    },
    Object {
        name: "a thread",
        source: source::THREAD,
        requests: "ThreadRequest {",
        table: ThreadRequest::TABLE,
        manual: ThreadRequest::MANUAL,
    },
    Object {
        name: "a device",
        source: source::DEVICE,
        requests: "DeviceRequest {",
        table: DeviceRequest::TABLE,
        manual: DeviceRequest::MANUAL,
    },
    Object {
        name: "a handler of faults",
        source: source::FAULT,
        requests: "FaultRequest {",
        table: FaultRequest::TABLE,
        manual: FaultRequest::MANUAL,
    },
];

/// First register of the words.
const WORD_0: usize = 2;

pub(crate) fn all() -> String {
    OBJECTS.iter().map(object).collect::<Vec<_>>().join("\n")
}

fn object(object: &Object) -> String {
    let summary = brief(&source::module_docs(object.source));
    let rule = brief(&item(object.source, object.requests).docs);
    let mut chapter = format!("## Requests to {}\n\n{summary}\n", object.name);
    // The first sentence says again what the heading says.
    if let Some((_, more)) = rule.split_once(". ") {
        chapter += &format!("\n{}\n", wrapped(more));
    }
    chapter += "\n";
    chapter += &table(
        ["label", "request", "words in", "words out"],
        object.table.iter().map(summary_row),
    );
    for (row, about) in object.table.iter().zip(object.manual) {
        chapter += &section(row, about);
    }
    chapter
}

fn summary_row(row: &Row) -> [String; 4] {
    let names = |names: &[&str]| names.iter().map(|name| code(name)).collect::<Vec<_>>().join(", ");
    let answer = if row.answer.is_empty() {
        code(unnamed(row))
    } else {
        names(row.answer)
    };
    [label(row), row.name.to_owned(), names(row.fields), answer]
}

fn section(row: &Row, about: &About) -> String {
    let mut section = format!("\n### {} {}\n", label(row), row.name);
    for paragraph in paragraphs(about.text) {
        section += &format!("\n{}", paragraph_or_errors(&paragraph));
    }
    let words = words("in", about.request)
        .chain(words("out", about.answer))
        .chain(unnamed_word(row));
    let words = table(["", "register", "word", "type", "meaning"], words);
    if !words.is_empty() {
        section += &format!("\n{words}");
    }
    section
}

fn label(row: &Row) -> String {
    format!("`{:#05x}`", row.label.0)
}

fn words(way: &str, fields: &[Field]) -> impl Iterator<Item = [String; 5]> {
    fields.iter().zip(WORD_0..).map(move |(field, register)| {
        [
            way.to_owned(),
            format!("x{register}"),
            code(field.name),
            code(field.kind),
            brief(field.text),
        ]
    })
}

/// The type of an answer of one word that has no name, the `T` of `(T,)`.
fn unnamed(row: &Row) -> &'static str {
    let inside = row.answer_kind.trim_matches(['(', ')']).trim_end_matches(',');
    if row.answer.is_empty() { inside } else { "" }
}

fn unnamed_word(row: &Row) -> Option<[String; 5]> {
    let kind = unnamed(row);
    let word = [
        "out".to_owned(),
        format!("x{WORD_0}"),
        String::new(),
        code(kind),
        String::new(),
    ];
    (!kind.is_empty()).then_some(word)
}

/// A paragraph that begins with an error's name lists errors, with semicolons between.
fn paragraph_or_errors(paragraph: &str) -> String {
    if !paragraph.starts_with("`E") {
        return format!("{}\n", wrapped(paragraph));
    }
    let errors = paragraph.trim_end_matches('.').replace("; `E", "\n- `E");
    format!("- {errors}\n")
}

#[cfg(test)]
mod tests {
    use super::paragraph_or_errors;

    #[test]
    fn errors_get_a_line_each_even_if_two_have_one_reason() {
        assert_eq!(
            paragraph_or_errors("`EACCES`, `EPERM` not allowed; `EFAULT` none; but this."),
            "- `EACCES`, `EPERM` not allowed\n- `EFAULT` none; but this\n"
        );
        assert_eq!(
            paragraph_or_errors("Own: ends; `EBUSY`."),
            "Own: ends; `EBUSY`.\n"
        );
    }
}
