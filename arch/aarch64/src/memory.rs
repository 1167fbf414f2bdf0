//! Copying and filling memory, as compiled code asks for it.

core::arch::global_asm!(include_str!("memory.S"));
