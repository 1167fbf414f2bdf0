//! The few operations of the trap, and how a message can fail to arrive.

/// What `svc #1` is to do: the value of x8.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u64)]
pub enum Operation {
    /// Sends a message to the object x0 names and waits for the answer.
    Call = 0,
    /// Waits for a message on the endpoint x0 names.
    Receive = 1,
    /// Answers the caller of the message received last, then receives as [`Self::Receive`] does.
    /// The answer's label is an [`Errno`](crate::Errno), 0 for success.
    ReplyReceive = 2,
    /// Sends a message to the endpoint x0 names and goes on when it is received. No answer comes.
    Send = 3,
    /// Answers a caller and goes on: the one whose reply handle x0 is, which is closed then, or, if x0 is
    /// 0, the caller of the message received last.
    Reply = 4,
    /// Adds the bits of x1 to the signals of the endpoint x0 names, or, if that handle has a badge, the
    /// badge's. Whoever receives there gets them all at once.
    Signal = 5,
    /// Lets others run that want the same CPU, and asks nothing of any object. It never fails.
    Yield = 8,
}

impl Operation {
    /// Set in x8 together with an operation: the thread waits no longer than until the system counter, as
    /// programs read it (CNTVCT_EL0), is at x9. If that has passed already it does not wait at all: a receive
    /// looks whether something is there.
    pub const UNTIL: u64 = 1 << 8;

    /// The operation with this number.
    ///
    /// # Errors
    /// [`IpcError::NoSuchOperation`] for every other number.
    pub const fn decode(number: u64) -> Result<Self, IpcError> {
        match number {
            0 => Ok(Self::Call),
            1 => Ok(Self::Receive),
            2 => Ok(Self::ReplyReceive),
            3 => Ok(Self::Send),
            4 => Ok(Self::Reply),
            5 => Ok(Self::Signal),
            8 => Ok(Self::Yield),
            _ => Err(IpcError::NoSuchOperation),
        }
    }
}

/// Why a message did not arrive, or no answer came: the value of x0. Never about what the
/// message asked for; that is the answer's label.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u64)]
pub enum IpcError {
    /// The caller: x8 names no operation.
    NoSuchOperation = 1,
    /// The caller: x0 names nothing, or a handle to be passed does.
    BadHandle = 2,
    /// The caller: its handle lacks the right for this operation.
    NotPermitted = 3,
    /// The caller: the tag's counts are too large, or its unused bits are not zero.
    BadTag = 4,
    /// The caller: it answers, but holds no caller to answer.
    NoCaller = 5,
    /// The other side: it ended before it answered, or the last receiver is gone.
    PeerGone = 6,
    /// The other side: it has no room for the handles passed. Nothing was passed.
    PeerFull = 7,
    /// Nobody: the deadline has passed. What was sent may have been received, and an answer to it goes
    /// nowhere.
    TimedOut = 8,
    /// Nobody: whoever controls the thread has cancelled what it waited for
    /// ([`Cancel`](crate::thread::Cancel)). As after `TimedOut`, what was sent may have been received.
    Cancelled = 9,
}

impl IpcError {
    /// The error with this number; `None` for 0, which is success, and for unknown ones.
    pub const fn decode(number: u64) -> Option<Self> {
        match number {
            1 => Some(Self::NoSuchOperation),
            2 => Some(Self::BadHandle),
            3 => Some(Self::NotPermitted),
            4 => Some(Self::BadTag),
            5 => Some(Self::NoCaller),
            6 => Some(Self::PeerGone),
            7 => Some(Self::PeerFull),
            8 => Some(Self::TimedOut),
            9 => Some(Self::Cancelled),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{IpcError, Operation};

    #[test]
    fn every_operation_and_error_decodes_from_its_own_number_and_no_other_number_does() {
        for number in 0..100 {
            if let Ok(operation) = Operation::decode(number) {
                assert_eq!(operation as u64, number);
            }
            if let Some(error) = IpcError::decode(number) {
                assert_eq!(error as u64, number);
            }
        }
        assert_eq!(Operation::decode(6), Err(IpcError::NoSuchOperation));
        assert_eq!(Operation::decode(u64::MAX), Err(IpcError::NoSuchOperation));
        assert_eq!(IpcError::decode(0), None);
    }
}
