//! Frames with contents. What nobody wrote is garbage.

use addr::{Frame, FrameRange, GRANULE};

const BYTES: usize = GRANULE as usize;

/// The machine's memory.
pub(crate) struct Ram {
    range: FrameRange,
    /// By place in `range`; what was never written is absent.
    frames: Vec<Option<Box<Contents>>>,
}

struct Contents {
    bytes: [u8; BYTES],
    /// All zeroes and never written since: may become a table.
    zeroed: bool,
    /// What instruction fetches see is what was written.
    published: bool,
}

impl Ram {
    pub(crate) fn new(range: FrameRange) -> Self {
        Self {
            range,
            frames: range.iter().map(|_| None).collect(),
        }
    }

    pub(crate) fn zero(&mut self, frame: Frame) {
        self.write(frame, 0, &[0; BYTES]);
        self.contents_mut(frame).zeroed = true;
    }

    pub(crate) fn copy(&mut self, from: Frame, to: Frame) {
        let mut bytes = [0; BYTES];
        self.read(from, 0, &mut bytes);
        self.write(to, 0, &bytes);
    }

    /// Reads inside of one frame.
    pub(crate) fn read(&self, frame: Frame, offset: usize, into: &mut [u8]) {
        match self.contents(frame) {
            Some(contents) => into.copy_from_slice(&contents.bytes[offset..offset + into.len()]),
            None => into.copy_from_slice(&garbage(frame)[offset..offset + into.len()]),
        }
    }

    /// Writes inside of one frame, by the kernel: fetches don't see it before `publish`.
    pub(crate) fn write(&mut self, frame: Frame, offset: usize, bytes: &[u8]) {
        self.write_by_program(frame, offset, bytes);
        self.contents_mut(frame).published = false;
    }

    /// Writes inside of one frame, by a program, which has its own instructions to make fetches
    /// see it.
    pub(crate) fn write_by_program(&mut self, frame: Frame, offset: usize, bytes: &[u8]) {
        let contents = self.contents_mut(frame);
        contents.zeroed = false;
        contents.bytes[offset..offset + bytes.len()].copy_from_slice(bytes);
    }

    pub(crate) fn load(&self, frame: Frame, offset: usize) -> u64 {
        let mut word = [0; 8];
        self.read(frame, offset, &mut word);
        u64::from_le_bytes(word)
    }

    pub(crate) fn is_zeroed(&self, frame: Frame) -> bool {
        self.contents(frame).is_some_and(|contents| contents.zeroed)
    }

    pub(crate) fn publish(&mut self, frame: Frame) {
        self.contents_mut(frame).published = true;
    }

    pub(crate) fn is_published(&self, frame: Frame) -> bool {
        self.contents(frame).is_some_and(|contents| contents.published)
    }

    fn contents(&self, frame: Frame) -> Option<&Contents> {
        self.frames[self.place(frame)].as_deref()
    }

    fn contents_mut(&mut self, frame: Frame) -> &mut Contents {
        let place = self.place(frame);
        self.frames[place].get_or_insert_with(|| {
            Box::new(Contents {
                bytes: garbage(frame),
                zeroed: false,
                published: false,
            })
        })
    }

    fn place(&self, frame: Frame) -> usize {
        assert!(self.range.contains(frame), "{frame:?} is no RAM of this machine");
        (frame.number() - self.range.start().number()) as usize
    }
}

/// Different in each frame, and valid as a descriptor, so that a table made of it leads somewhere.
fn garbage(frame: Frame) -> [u8; BYTES] {
    let word = frame.number().wrapping_mul(0x9e37_79b9_7f4a_7c15) | 0b11;
    let mut bytes = [0; BYTES];
    for (index, chunk) in bytes.chunks_exact_mut(8).enumerate() {
        chunk.copy_from_slice(&word.wrapping_add(index as u64 * 8).to_le_bytes());
    }
    bytes
}
