//! Error numbers: POSIX names, Linux values.

macro_rules! errnos {
    ($(#[doc = $doc:literal] $name:ident = $value:literal,)*) => {
        /// Why a request was refused (POSIX `errno.h`; values as on Linux).
        #[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
        #[allow(clippy::upper_case_acronyms, reason = "POSIX names")]
        #[repr(u16)]
        pub enum Errno { $(#[doc = $doc] $name = $value,)* }

        impl Errno {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// Its POSIX name.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => stringify!($name),)* }
            }

            /// What it means, as a sentence.
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$name => const { $doc.trim_ascii_start() },)* }
            }
        }
    };
}

errnos! {
    /// Only the owner, creator or uid 0 may.
    EPERM = 1,
    /// Nothing has that name.
    ENOENT = 2,
    /// No such process.
    ESRCH = 3,
    /// Not a program this system can run.
    ENOEXEC = 8,
    /// The handle names nothing.
    EBADF = 9,
    /// No child.
    ECHILD = 10,
    /// Not now; ask again.
    EAGAIN = 11,
    /// Not enough memory, or not enough address space.
    ENOMEM = 12,
    /// Permission bits forbid it.
    EACCES = 13,
    /// An address that is not the caller's.
    EFAULT = 14,
    /// In use.
    EBUSY = 16,
    /// It exists already.
    EEXIST = 17,
    /// An argument makes no sense.
    EINVAL = 22,
    /// The system's table is full.
    ENFILE = 23,
    /// The process's table is full.
    EMFILE = 24,
    /// A limit on how much there may be is reached.
    ENOSPC = 28,
    /// Nobody reads it any more.
    EPIPE = 32,
    /// The object does not know this label.
    ENOSYS = 38,
    /// The identifier was removed.
    EIDRM = 43,
    /// The message carries too much or too little.
    EMSGSIZE = 90,
    /// The time until which it was to be waited has passed.
    ETIMEDOUT = 110,
}

impl Errno {
    /// Its number.
    pub const fn number(self) -> u16 {
        self as u16
    }

    /// The error with this number.
    pub fn from_number(number: u16) -> Option<Self> {
        Self::ALL.iter().copied().find(|e| e.number() == number)
    }
}

impl core::fmt::Display for Errno {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::Errno;

    #[test]
    fn numbers_are_distinct_and_lead_back() {
        for &errno in Errno::ALL {
            assert_eq!(Errno::from_number(errno.number()), Some(errno));
        }
        assert_eq!(Errno::from_number(0), None);
    }
}
