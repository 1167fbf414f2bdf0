//! What the measured operations cost in other kernels, and the costs to reach: `docs/peers.tsv`.
//!
//! The other kernels' figures were counted in the same way, on the same emulator: instructions for one
//! operation under `-icount shift=0`, or bytes or KiB where the row's name says so.

/// A row of the table. A figure that nobody has is empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peers {
    /// The row's name, as the benchmark prints it.
    pub id: &'static str,
    /// NuttX, kernel build.
    pub nuttx: &'static str,
    /// Linux, the lowest of three builds.
    pub linux: &'static str,
    /// seL4 with its fast path.
    pub sel4: &'static str,
    /// What to reach.
    pub reach: &'static str,
    /// What to be proud of.
    pub stretch: &'static str,
}

/// How a figure stands to what is to be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// No more than the second of the two goals.
    Stretch,
    /// No more than the first.
    Reached,
    /// More than that.
    Short,
}

const TABLE: &str = include_str!("../../../docs/peers.tsv");

/// All rows, in the table's order.
pub fn all() -> impl Iterator<Item = Peers> {
    TABLE.lines().skip(1).filter_map(row)
}

/// The row called `id`.
#[must_use]
pub fn of(id: &str) -> Option<Peers> {
    all().find(|peers| peers.id == id)
}

fn row(line: &'static str) -> Option<Peers> {
    let mut fields = line.split('\t');
    let (id, _operation) = (fields.next()?, fields.next()?);
    Some(Peers {
        id,
        nuttx: fields.next()?,
        linux: fields.next()?,
        sel4: fields.next()?,
        reach: fields.next()?,
        stretch: fields.next()?,
    })
}

impl Peers {
    /// Judges a figure; `None` if it is no number.
    #[must_use]
    pub fn judge(&self, figure: &str) -> Option<Verdict> {
        let number = |text: &str| text.parse::<f64>().ok();
        let figure = number(figure)?;
        Some(if figure <= number(self.stretch)? {
            Verdict::Stretch
        } else if figure <= number(self.reach)? {
            Verdict::Reached
        } else {
            Verdict::Short
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{TABLE, Verdict, all, of};
    use std::collections::HashSet;

    #[test]
    fn every_line_is_a_row_of_its_own_with_both_goals() {
        let ids: HashSet<_> = all().map(|peers| peers.id).collect();
        assert_eq!(ids.len(), TABLE.lines().count() - 1);
        for peers in all() {
            let (reach, stretch) = (peers.reach.parse::<f64>(), peers.stretch.parse::<f64>());
            assert!(stretch.unwrap() < reach.unwrap(), "{}", peers.id);
        }
    }

    #[test]
    fn what_others_cost_is_a_number_or_nothing() {
        for peers in all() {
            for figure in [peers.nuttx, peers.linux, peers.sel4] {
                assert!(figure.is_empty() || figure.parse::<u64>().is_ok(), "{}", peers.id);
            }
        }
    }

    #[test]
    fn a_figure_is_judged_by_both_goals() {
        let peers = of("shm_second_read_64m_page").unwrap();
        assert_eq!(peers.judge("0.68"), Some(Verdict::Stretch));
        assert_eq!(peers.judge("2"), Some(Verdict::Reached));
        assert_eq!(peers.judge("2.01"), Some(Verdict::Short));
        assert_eq!(peers.judge("many"), None);
    }
}
