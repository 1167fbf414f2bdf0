//! Sets in which something is wrong.

use super::VmaSet;
use crate::vma::tests::set_of;
use crate::vma::{VmaId, Vmas, existing_mut};

#[test]
fn the_audit_of_a_set_notices_what_is_wrong() {
    const GAPS: &str = "VMAs do not overlap, and know how far they are apart";
    const NEIGHBOURS: &str = "VMAs are neighbours in the order they have in their tree";
    const COUNT: &str = "VMAs of a set are counted";
    const HOOK: &str = "what hangs from a node knows that";
    const TOP: &str = "the top of a VMA tree hangs from nothing";
    for (mistake, sentence) in [
        (
            (|_, vmas, [_, second, _]| existing_mut(vmas, second).node.gap += 1)
                as fn(&mut VmaSet, &mut Vmas, [VmaId; 3]),
            GAPS,
        ),
        (
            |_, vmas, [_, second, _]| existing_mut(vmas, second).node.before = None,
            NEIGHBOURS,
        ),
        (
            |_, vmas, [first, ..]| existing_mut(vmas, first).node.up = None,
            HOOK,
        ),
        (
            |_, vmas, [first, second, _]| {
                let hook = existing_mut(vmas, first).node.up;
                existing_mut(vmas, second).node.up = hook;
            },
            TOP,
        ),
        (|set, _, _| set.count += 1, COUNT),
        (|set, _, _| set.count -= 1, COUNT),
        (|set, _, [_, second, _]| set.last = Some(second), COUNT),
    ] {
        let (mut set, mut vmas, ids) = set_of([2, 4, 6]);
        mistake(&mut set, &mut vmas, ids);
        assert_eq!(set.audit(&vmas), Err(sentence));
    }
}
