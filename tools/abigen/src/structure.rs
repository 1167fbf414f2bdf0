//! Structures that travel in a message's bytes, with the place of each field.

use crate::markdown::{brief, table};
use crate::source::{self, item};
use crate::value::prose;
use abi::MessagePage;
use abi::process::InitStart;
use abi::shm::{IpcPerm, ShmInfoLimits, ShmInfoTotals, ShmidDs};
use abi::thread::ThreadRegisters;
use abi::{Field, Words};

struct Structure {
    source: &'static str,
    name: &'static str,
    bytes: usize,
}

const STRUCTURES: [Structure; 6] = [
    Structure {
        source: source::MESSAGE,
        name: "MessagePage",
        bytes: size_of::<MessagePage>(),
    },
    Structure {
        source: source::THREAD,
        name: "ThreadRegisters",
        bytes: ThreadRegisters::BYTES,
    },
    Structure {
        source: source::SHM,
        name: "IpcPerm",
        bytes: size_of::<IpcPerm>(),
    },
    Structure {
        source: source::SHM,
        name: "ShmidDs",
        bytes: size_of::<ShmidDs>(),
    },
    Structure {
        source: source::SHM,
        name: "ShmInfoLimits",
        bytes: size_of::<ShmInfoLimits>(),
    },
    Structure {
        source: source::SHM,
        name: "ShmInfoTotals",
        bytes: size_of::<ShmInfoTotals>(),
    },
];

pub(crate) fn chapter() -> String {
    let sections = STRUCTURES.iter().map(section).collect::<Vec<_>>().join("\n");
    format!(
        "## Structures\n\nLittle-endian, laid out as C does it.\n\n{sections}\n{}",
        init_start()
    )
}

fn section(structure: &Structure) -> String {
    let Structure { source, name, bytes } = *structure;
    let docs = prose(&item(source, &format!("pub struct {name} {{")).docs);
    let rows = layout(structure).into_iter().map(
        |Place {
             offset,
             field,
             kind,
             text,
         }| { [offset.to_string(), field.to_owned(), format!("`{kind}`"), text] },
    );
    let size = format!("{bytes} bytes");
    let size = if docs.contains(&size) {
        String::new()
    } else {
        format!(" {size}.")
    };
    format!(
        "### {name}\n\n{docs}{size}\n\n{}",
        table(["at", "field", "type", "meaning"], rows)
    )
}

struct Place {
    offset: usize,
    field: &'static str,
    kind: &'static str,
    text: String,
}

/// Where each field is, by the rules of C (and of `repr(C)`).
fn layout(structure: &Structure) -> Vec<Place> {
    let (mut end, mut places) = (0usize, Vec::new());
    for member in item(structure.source, &format!("pub struct {} {{", structure.name)).members {
        let (bytes, alignment) = shape(member.kind);
        let offset = end.next_multiple_of(alignment);
        end = offset + bytes;
        places.push(Place {
            offset,
            field: member.name,
            kind: member.kind,
            text: brief(&member.docs),
        });
    }
    assert_eq!(end, structure.bytes, "the fields of {} fill it", structure.name);
    places
}

/// Size and alignment of a type in bytes.
fn shape(kind: &str) -> (usize, usize) {
    match kind {
        "u8" => (1, 1),
        "u16" => (2, 2),
        "u32" | "i32" => (4, 4),
        "u64" | "i64" => (8, 8),
        "IpcPerm" => (size_of::<IpcPerm>(), align_of::<IpcPerm>()),
        array => {
            let element = array
                .strip_prefix('[')
                .and_then(|inside| inside.strip_suffix(']'));
            let Some((kind, count)) = element.and_then(|inside| inside.split_once("; ")) else {
                panic!("a field of type {kind} has no known size");
            };
            let (bytes, alignment) = shape(kind);
            (bytes * count_of(count), alignment)
        }
    }
}

fn count_of(count: &str) -> usize {
    match count {
        "BUFFER_BYTES" => abi::BUFFER_BYTES,
        "MAX_HANDLES" => abi::MAX_HANDLES,
        number => number.parse().expect("an array has a number of elements"),
    }
}

/// The one structure that travels in words.
fn init_start() -> String {
    let row = |(field, register): (&Field, usize)| {
        [
            format!("x{register}"),
            field.name.to_owned(),
            format!("`{}`", field.kind),
            brief(field.text),
        ]
    };
    format!(
        "### InitStart\n\n{}\n\n{}",
        brief(&item(source::PROCESS, "InitStart {").docs),
        table(
            ["register", "word", "type", "meaning"],
            InitStart::FIELDS.iter().zip(2..).map(row)
        )
    )
}

#[cfg(test)]
mod tests {
    use super::{STRUCTURES, layout};
    use abi::shm::ShmidDs;

    #[test]
    fn fields_are_where_the_compiler_puts_them() {
        let structure = STRUCTURES
            .iter()
            .find(|structure| structure.name == "ShmidDs")
            .expect("listed");
        let places = layout(structure);
        let at = |name| {
            places
                .iter()
                .find(|place| place.field == name)
                .map(|place| place.offset)
        };
        assert_eq!(at("shm_segsz"), Some(core::mem::offset_of!(ShmidDs, shm_segsz)));
        assert_eq!(at("shm_lpid"), Some(core::mem::offset_of!(ShmidDs, shm_lpid)));
        assert_eq!(at("shm_nattch"), Some(core::mem::offset_of!(ShmidDs, shm_nattch)));
        assert_eq!(at("reserved"), Some(core::mem::offset_of!(ShmidDs, reserved)));
    }
}
