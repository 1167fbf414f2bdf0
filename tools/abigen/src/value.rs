//! What words and bytes stand for: messages, handles, flags, numbers, addresses.

use crate::markdown::{brief, code, paragraphs, table, wrapped};
use crate::source::{self, Member, item};
use abi::Errno;

/// The parts of a message, and why one does not arrive.
pub(crate) fn message() -> String {
    let tag = prose(&item(source::MESSAGE, "pub struct Tag(").docs);
    let errors = item(source::OPERATION, "pub enum IpcError {");
    let limits = source::constants(source::MESSAGE);
    format!(
        "## The tag\n\n{tag}\n\n{}\n## Why a message does not arrive\n\n{}\n\n{}",
        table(
            ["limit", "value", "meaning"],
            limits
                .iter()
                .filter(|limit| limit.name != "WORDS")
                .map(named_value)
        ),
        prose(&errors.docs),
        numbers("x0", &errors.members),
    )
}

/// The types that words have.
pub(crate) fn chapter() -> String {
    let sections = [
        section("Handle", source::HANDLE, "pub struct Handle("),
        handles(),
        listed("Rights", source::HANDLE, "pub struct Rights:"),
        section("Badge", source::HANDLE, "pub struct Badge("),
        section("Pid", source::PROCESS, "pub struct Pid("),
        listed("FaultKind", source::PROCESS, "pub enum FaultKind {"),
        listed("FaultAccess", source::FAULT, "pub enum FaultAccess {"),
        listed("ProcessState", source::SYSTEM, "pub enum ProcessState {"),
        listed("MachineEnd", source::SYSTEM, "pub enum MachineEnd {"),
        listed("ClockSource", source::TIME, "pub enum ClockSource {"),
        listed("Protection", source::MEMORY, "pub struct Protection:"),
        section("ShmKey", source::SHM, "pub struct ShmKey("),
        section("ShmId", source::SHM, "pub struct ShmId("),
        section("ShmIdArgument", source::MEMORY, "pub struct ShmIdArgument("),
        listed("GetFlags", source::SHM, "GetFlags {"),
        listed("AttachFlags", source::SHM, "AttachFlags {"),
        listed("ShmCommand", source::SHM, "pub enum ShmCommand {"),
        errors(),
    ];
    format!("## Types\n\n{}", sections.join("\n"))
}

pub(crate) fn prose(docs: &[&str]) -> String {
    let paragraphs = paragraphs(docs).into_iter().map(|paragraph| wrapped(&paragraph));
    paragraphs.collect::<Vec<_>>().join("\n\n")
}

fn section(name: &str, source: &str, heading: &str) -> String {
    format!("### {name}\n\n{}\n", prose(&item(source, heading).docs))
}

fn listed(name: &str, source: &str, heading: &str) -> String {
    let members = item(source, heading).members;
    format!(
        "{}\n{}",
        section(name, source, heading),
        numbers("value", &members)
    )
}

/// Handles that every program has.
fn handles() -> String {
    let constants = item(source::HANDLE, "impl Handle {").members;
    let handles = constants.iter().filter(|constant| constant.kind == "Self");
    let number = |value: &str| value.trim_start_matches("Self(").trim_end_matches(')').to_owned();
    let rows = handles.map(|handle| [number(handle.value), handle.name.to_owned(), brief(&handle.docs)]);
    table(["value", "name", "names"], rows)
}

fn numbers(head: &str, members: &[Member<'_>]) -> String {
    table(
        [head, "name", "meaning"],
        members.iter().map(|member| {
            [
                member.value.to_owned(),
                member.name.to_owned(),
                brief(&member.docs),
            ]
        }),
    )
}

fn errors() -> String {
    let texts = item(source::ERRNO, "errnos! {").members;
    let text = |errno: Errno| {
        texts
            .iter()
            .find(|member| member.name == errno.name())
            .map(|member| brief(&member.docs))
            .unwrap_or_default()
    };
    let rows = Errno::ALL
        .iter()
        .map(|&errno| [errno.number().to_string(), errno.name().to_owned(), text(errno)]);
    format!(
        "{}\n{}",
        section("Errno", source::ERRNO, "pub enum Errno"),
        table(["label", "name", "meaning"], rows)
    )
}

/// Where things are in a user address space.
pub(crate) fn layout() -> String {
    let picture = source::module_docs(source::LAYOUT).join("\n");
    let constants = source::constants(source::LAYOUT);
    format!(
        "## Address space\n\n{picture}\n\n{}",
        table(["name", "value", "meaning"], constants.iter().map(named_value))
    )
}

fn named_value(member: &Member<'_>) -> [String; 3] {
    [member.name.to_owned(), code(member.value), brief(&member.docs)]
}
