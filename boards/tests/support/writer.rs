//! Writes device tree blobs, well-formed ones and others.

/// A blob in the making.
#[derive(Clone, Default)]
pub struct Writer {
    reservations: Vec<u8>,
    structure: Vec<u8>,
    strings: Vec<u8>,
}

/// A value of a property.
pub enum Value<'a> {
    /// Big-endian words.
    Cells(&'a [u32]),
    /// A string with its end.
    Text(&'a str),
    /// Just these bytes.
    Bytes(&'a [u8]),
}

use Value::{Bytes, Cells, Text};

impl Writer {
    pub fn reserve(mut self, start: u64, bytes: u64) -> Self {
        self.reservations.extend(start.to_be_bytes());
        self.reservations.extend(bytes.to_be_bytes());
        self
    }

    /// A node with what `content` writes in it.
    pub fn node(self, name: &str, content: impl FnOnce(Self) -> Self) -> Self {
        content(self.token(1).name(name)).token(2)
    }

    pub fn cells(self, name: &str, cells: &[u32]) -> Self {
        self.property(name, Cells(cells))
    }

    pub fn text(self, name: &str, text: &str) -> Self {
        self.property(name, Text(text))
    }

    pub fn property(self, name: &str, value: Value<'_>) -> Self {
        let bytes = match value {
            Cells(cells) => cells.iter().flat_map(|cell| cell.to_be_bytes()).collect(),
            Text(text) => [text.as_bytes(), &[0]].concat(),
            Bytes(bytes) => bytes.to_vec(),
        };
        let (mut this, at) = self.string(name);
        this = this.token(3).token(bytes.len() as u32).token(at);
        this.structure.extend(bytes);
        this.pad()
    }

    /// Any word in the structure block.
    pub fn token(mut self, token: u32) -> Self {
        self.structure.extend(token.to_be_bytes());
        self
    }

    /// The name behind a node's token.
    pub fn name(mut self, name: &str) -> Self {
        self.structure.extend(name.as_bytes());
        self.structure.push(0);
        self.pad()
    }

    /// The blob, with the end tokens.
    pub fn finish(self) -> Vec<u8> {
        self.reserve(0, 0).token(9).assemble()
    }

    /// The blob as it stands.
    pub fn assemble(self) -> Vec<u8> {
        let structure_at = 40 + self.reservations.len();
        let strings_at = structure_at + self.structure.len();
        let total = strings_at + self.strings.len();
        let (strings, structure) = (self.strings.len(), self.structure.len());
        let header = [
            0xd00d_feed,
            total,
            structure_at,
            strings_at,
            40,
            17,
            16,
            0,
            strings,
            structure,
        ];
        let header = header.into_iter().flat_map(|word| (word as u32).to_be_bytes());
        header
            .chain(self.reservations)
            .chain(self.structure)
            .chain(self.strings)
            .collect()
    }

    fn string(mut self, name: &str) -> (Self, u32) {
        let at = self.strings.len() as u32;
        self.strings.extend(name.as_bytes());
        self.strings.push(0);
        (self, at)
    }

    fn pad(mut self) -> Self {
        self.structure.resize(self.structure.len().next_multiple_of(4), 0);
        self
    }
}

/// Writes `value` over the header's word number `at`.
pub fn set_header(blob: &mut [u8], at: usize, value: u32) {
    blob[at * 4..at * 4 + 4].copy_from_slice(&value.to_be_bytes());
}

/// The header's word number `at`.
pub fn header(blob: &[u8], at: usize) -> usize {
    u32::from_be_bytes(blob[at * 4..at * 4 + 4].try_into().expect("four bytes")) as usize
}

/// A root with 64-bit addresses and sizes.
pub fn root(content: impl FnOnce(Writer) -> Writer) -> Writer {
    let cells = |root: Writer| root.cells("#address-cells", &[2]).cells("#size-cells", &[2]);
    Writer::default().node("", |root| content(cells(root)))
}

/// The content of a memory node.
pub fn memory(node: Writer, reg: &[u32]) -> Writer {
    node.text("device_type", "memory").cells("reg", reg)
}

/// The content of a PL011 at `base`.
pub fn pl011(node: Writer, base: u32) -> Writer {
    node.text("compatible", "arm,pl011")
        .cells("reg", &[0, base, 0, 0x1000])
}

/// The content of a mini UART at `base`.
pub fn mini_uart(node: Writer, base: u32) -> Writer {
    node.text("compatible", "brcm,bcm2835-aux-uart")
        .cells("reg", &[0, base, 0, 0x40])
}
