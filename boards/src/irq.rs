//! Interrupt numbers as the GIC counts them.

/// An interrupt, named by its INTID (GIC architecture specification, "INTIDs").
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Irq(u32);

impl Irq {
    /// The private peripheral interrupt number `ppi`, which is INTID 16 + `ppi`; `None` from 16 on.
    pub const fn private(ppi: u32) -> Option<Self> {
        if ppi < 16 { Some(Self(16 + ppi)) } else { None }
    }

    /// The shared peripheral interrupt number `spi`, which is INTID 32 + `spi`; `None` from 988 on,
    /// where the INTIDs with a special meaning begin (1020).
    pub const fn shared(spi: u32) -> Option<Self> {
        if spi < 988 { Some(Self(32 + spi)) } else { None }
    }

    /// The INTID.
    pub const fn intid(self) -> u32 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::Irq;

    #[test]
    fn tree_numbers_become_intids_by_kind() {
        assert_eq!(Irq::private(14).map(Irq::intid), Some(30));
        assert_eq!(Irq::shared(1).map(Irq::intid), Some(33));
    }

    #[test]
    fn numbers_outside_their_kind_are_no_interrupt() {
        assert_eq!(Irq::private(16), None);
        assert_eq!(Irq::shared(987).map(Irq::intid), Some(1019));
        assert_eq!(Irq::shared(988), None);
    }
}
