//! How requests become words and back: the traits, and the table that declares each request once.

use crate::{Errno, Label, WORDS, Words6};

/// A value that travels in one register and checks its own range on arrival.
pub trait Word: Sized {
    /// Into a register.
    fn into_word(self) -> u64;
    /// Out of a register.
    ///
    /// # Errors
    /// The error that the request deserves if the word is no such value.
    fn from_word(word: u64) -> Result<Self, Errno>;
}

impl Word for u64 {
    fn into_word(self) -> u64 {
        self
    }

    fn from_word(word: u64) -> Result<Self, Errno> {
        Ok(word)
    }
}

impl Word for u32 {
    fn into_word(self) -> u64 {
        self.into()
    }

    fn from_word(word: u64) -> Result<Self, Errno> {
        Self::try_from(word).map_err(|_| Errno::EINVAL)
    }
}

impl Word for i64 {
    fn into_word(self) -> u64 {
        self.cast_unsigned()
    }

    fn from_word(word: u64) -> Result<Self, Errno> {
        Ok(word.cast_signed())
    }
}

/// A C `int`: sign-extended on the way in; on the way out its upper half may be sign or zeroes.
impl Word for i32 {
    fn into_word(self) -> u64 {
        i64::from(self).cast_unsigned()
    }

    fn from_word(word: u64) -> Result<Self, Errno> {
        match u32::try_from(word) {
            Ok(low) => Ok(low.cast_signed()),
            Err(_) => Self::try_from(word.cast_signed()).map_err(|_| Errno::EINVAL),
        }
    }
}

/// Values that fill up to six words, in order.
pub trait Words: Sized {
    /// Names of the words, word 0 first; none for values that have no names for them.
    const NAMES: &'static [&'static str] = &[];
    /// The same with types and meanings, for documentation.
    const FIELDS: &'static [Field] = &[];

    /// Into registers; unused ones are 0.
    fn into_words(self) -> Words6;
    /// Out of registers; unused ones are ignored.
    ///
    /// # Errors
    /// The first error of a field.
    fn from_words(words: &Words6) -> Result<Self, Errno>;
}

/// Words that somebody else has made.
impl Words for Words6 {
    #[inline]
    fn into_words(self) -> Words6 {
        self
    }

    #[inline]
    fn from_words(words: &Words6) -> Result<Self, Errno> {
        Ok(*words)
    }
}

impl Words for () {
    fn into_words(self) -> Words6 {
        [0; WORDS]
    }

    fn from_words(_: &Words6) -> Result<Self, Errno> {
        Ok(())
    }
}

impl<T: Word> Words for (T,) {
    fn into_words(self) -> Words6 {
        [self.0.into_word(), 0, 0, 0, 0, 0]
    }

    fn from_words(words: &Words6) -> Result<Self, Errno> {
        Ok((T::from_word(words[0])?,))
    }
}

/// A typed request: what a client sends and what it gets back when all went well.
pub trait Request: Words {
    /// Its label.
    const LABEL: Label;
    /// The words of the answer.
    type Answer: Words;
}

/// Whoever does what requests `R` of one kind of object ask.
pub trait Server<R> {
    /// What that comes to.
    type Done;
    /// Does what is asked. To be inlined, so that nothing of a request is put together to be taken apart.
    ///
    /// # Errors
    /// Those of the request.
    fn serve(self, request: R) -> Result<Self::Done, Errno>;
}

/// One word of a request or of an answer, for documentation.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    /// Name.
    pub name: &'static str,
    /// Type.
    pub kind: &'static str,
    /// What it means.
    pub text: &'static [&'static str],
}

/// One row of a table of requests, for whoever prints them, and for tests that try everything.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// Label.
    pub label: Label,
    /// Name.
    pub name: &'static str,
    /// Names of the fields, word 0 first.
    pub fields: &'static [&'static str],
    /// Type of the answer.
    pub answer_kind: &'static str,
    /// Names of the answer's fields, if its type has any.
    pub answer: &'static [&'static str],
}

/// What there is to say about one row, for documentation. It is apart from the row: the kernel prints rows, and has none
/// of these sentences in it.
#[derive(Clone, Copy, Debug)]
pub struct About {
    /// What it does and which errors it answers.
    pub text: &'static [&'static str],
    /// The fields with their types and meanings.
    pub request: &'static [Field],
    /// The fields of the answer, if its type has names for them.
    pub answer: &'static [Field],
}

/// Declares a struct whose fields fill words in order.
macro_rules! words {
    ($(#[$meta:meta])* $name:ident { $($(#[doc = $fdoc:literal])* $field:ident: $type:ty),* $(,)? }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub struct $name { $($(#[doc = $fdoc])* pub $field: $type),* }

        impl $crate::Words for $name {
            const NAMES: &'static [&'static str] = &[$(stringify!($field)),*];
            const FIELDS: &'static [$crate::Field] = &[$($crate::Field {
                name: stringify!($field),
                kind: stringify!($type),
                text: &[$($fdoc),*],
            }),*];

            // Both are straight lines of loads and stores, since every message passes through them.
            #[inline]
            #[allow(unused_mut, unused_variables, reason = "a request may have no field")]
            fn into_words(self) -> $crate::Words6 {
                let mut words = [0; $crate::WORDS];
                let mut places = words.iter_mut();
                $(if let Some(place) = places.next() {
                    *place = $crate::Word::into_word(self.$field);
                })*
                words
            }

            #[inline]
            #[allow(unused_mut, unused_variables, reason = "a request may have no field")]
            fn from_words(words: &$crate::Words6) -> Result<Self, $crate::Errno> {
                let mut words = words.iter();
                Ok(Self { $($field: $crate::Word::from_word(words.next().copied().unwrap_or(0))?),* })
            }
        }
    };
}
pub(crate) use words;

/// Makes words of an enum whose variants have numbers.
macro_rules! numbered {
    ($name:ident: $($variant:ident),* $(,)?) => {
        impl $crate::Word for $name {
            fn into_word(self) -> u64 {
                self as u64
            }

            fn from_word(word: u64) -> Result<Self, $crate::Errno> {
                match word {
                    $(number if number == Self::$variant as u64 => Ok(Self::$variant),)*
                    _ => Err($crate::Errno::EINVAL),
                }
            }
        }
    };
}
pub(crate) use numbered;

/// Declares the requests of one kind of object: a struct each, an enum of all, its decoder, and
/// the table of rows.
macro_rules! requests {
    ($(#[$emeta:meta])* $enum:ident {
        $($(#[doc = $doc:literal])* $name:ident = $label:literal
            { $($(#[doc = $fdoc:literal])* $field:ident: $type:ty),* $(,)? } -> $answer:ty;)*
    }) => {
        $(
            $crate::request::words! {
                $(#[doc = $doc])*
                $name { $($(#[doc = $fdoc])* $field: $type),* }
            }
            impl $crate::Request for $name {
                const LABEL: $crate::Label = $crate::Label($label);
                type Answer = $answer;
            }
        )*

        $(#[$emeta])*
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub enum $enum { $($(#[doc = $doc])* $name($name),)* }

        impl $enum {
            /// The table.
            pub const TABLE: &[$crate::Row] = &[$($crate::Row {
                label: $crate::Label($label),
                name: stringify!($name),
                fields: <$name as $crate::Words>::NAMES,
                answer_kind: stringify!($answer),
                answer: <$answer as $crate::Words>::NAMES,
            }),*];

            /// What there is to say about each row, in the same order.
            pub const MANUAL: &[$crate::About] = &[$($crate::About {
                text: &[$($doc),*],
                request: <$name as $crate::Words>::FIELDS,
                answer: <$answer as $crate::Words>::FIELDS,
            }),*];

            /// Reads a request out of a message.
            ///
            /// # Errors
            /// `ENOSYS` if the label is not in the table; else what the field that is wrong says.
            #[inline]
            pub fn decode(label: $crate::Label, words: &$crate::Words6) -> Result<Self, $crate::Errno> {
                match label.0 {
                    $($label => <$name as $crate::Words>::from_words(words).map(Self::$name),)*
                    _ => Err($crate::Errno::ENOSYS),
                }
            }

            /// Its label and its words.
            pub fn encode(self) -> ($crate::Label, $crate::Words6) {
                match self {
                    $(Self::$name(request) => ($crate::Label($label), $crate::Words::into_words(request)),)*
                }
            }

            /// Reads a request out of a message and hands it to who serves it.
            ///
            /// # Errors
            /// As [`decode`](Self::decode), and those of the request.
            #[inline(always)] // into the one that serves: there is one for each table
            pub fn hand_to<S: $crate::Server<Self>>(
                server: S,
                label: $crate::Label,
                words: &$crate::Words6,
            ) -> Result<S::Done, $crate::Errno> {
                match label.0 {
                    $($label => server.serve(Self::$name(<$name as $crate::Words>::from_words(words)?)),)*
                    _ => Err($crate::Errno::ENOSYS),
                }
            }
        }
    };
}
pub(crate) use requests;

#[cfg(test)]
mod tests {
    use super::{About, Field, Row, Word, Words};
    use crate::{Errno, console, device, fault, memory, process, system, thread};

    /// The kind in each label, and the two tables.
    fn tables() -> [(u16, &'static [Row], &'static [About]); 7] {
        use {
            console::ConsoleRequest, device::DeviceRequest, fault::FaultRequest, memory::MemoryRequest,
            process::ProcessRequest, system::SystemRequest, thread::ThreadRequest,
        };
        [
            (1, ProcessRequest::TABLE, ProcessRequest::MANUAL),
            (2, MemoryRequest::TABLE, MemoryRequest::MANUAL),
            (3, ConsoleRequest::TABLE, ConsoleRequest::MANUAL),
            (4, SystemRequest::TABLE, SystemRequest::MANUAL),
            (5, ThreadRequest::TABLE, ThreadRequest::MANUAL),
            (6, DeviceRequest::TABLE, DeviceRequest::MANUAL),
            (7, FaultRequest::TABLE, FaultRequest::MANUAL),
        ]
    }

    #[test]
    fn labels_are_unique_across_all_tables_and_carry_their_kind() {
        for (kind, table, manual) in tables() {
            assert_eq!(table.len(), manual.len());
            for (place, row) in table.iter().enumerate() {
                assert_eq!(row.label.0 >> 8, kind, "{}", row.name);
                assert!(
                    table[..place].iter().all(|earlier| earlier.label != row.label),
                    "{}",
                    row.name
                );
                assert!(row.fields.len() <= crate::WORDS, "{}", row.name);
            }
        }
    }

    #[test]
    fn each_row_has_a_text_and_its_fields_have_the_names_that_the_text_gives_them() {
        let agree = |fields: &[Field], names: &[&str]| {
            fields.iter().map(|field| field.name).eq(names.iter().copied())
        };
        for (_, table, manual) in tables() {
            for (row, about) in table.iter().zip(manual) {
                assert!(!about.text.is_empty(), "{}", row.name);
                assert!(agree(about.request, row.fields), "{}", row.name);
                assert!(agree(about.answer, row.answer), "{}", row.name);
            }
        }
    }

    #[test]
    fn a_c_int_may_come_sign_extended_or_zero_extended_and_nothing_else() {
        assert_eq!(i32::from_word(0xffff_ffff_ffff_ffff), Ok(-1));
        assert_eq!(i32::from_word(0x0000_0000_ffff_ffff), Ok(-1));
        assert_eq!(i32::from_word(0x0000_0001_0000_0000), Err(Errno::EINVAL));
        assert_eq!(i32::from_word(0xffff_fffe_0000_0000), Err(Errno::EINVAL));
    }

    #[test]
    fn a_request_survives_its_registers() {
        let request = memory::ShmAttach {
            id: crate::shm::ShmId::from_raw(5).expect("valid"),
            address: 0x1000,
            flags: crate::shm::AttachFlags::RDONLY,
        };
        assert_eq!(memory::ShmAttach::from_words(&request.into_words()), Ok(request));
        assert_eq!(
            memory::MemoryRequest::decode(crate::Label(0x201), &request.into_words()),
            Ok(memory::MemoryRequest::ShmAttach(request))
        );
        assert_eq!(
            memory::MemoryRequest::ShmAttach(request).encode(),
            (crate::Label(0x201), request.into_words())
        );
        assert_eq!(
            memory::MemoryRequest::decode(crate::Label(0x2ff), &[0; 6]),
            Err(Errno::ENOSYS)
        );
    }
}
