// From firmware to Rust: the Image header, the drop to EL1, a clean BSS, the MMU.
//
// Enters at EL1, EL2 or EL3 with the MMU and data cache off and x0 = device tree (Linux, "Booting AArch64
// Linux"), at any address that is a multiple of 4 KiB. Until the MMU is on, everything is reached
// PC-relative, so nothing here depends on where the loader put us; from `boot_high` on, code runs at
// the address it was linked for. So no word of the image ever needs relocating.
//
// Kept throughout, by the first CPU: x20 = device tree, x21 = CurrentEL at entry, x22 = where the image is.

    .section .text.boot, "ax"
    .balign 4096

    .global _start
_start:
    b       boot_entry
    .long   0
    .quad   0                       // text_offset
    .quad   __image_size            // effective size, zero-initialised data included
    .quad   {IMAGE_FLAGS}
    .quad   0
    .quad   0
    .quad   0
    .ascii  "ARM\x64"
    .long   0

boot_entry:
    msr     daifset, #0xf
    mov     x20, x0
    mrs     x21, CurrentEL
    adr     x22, _start
    adr     x23, boot_first
    b       boot_to_el1

// Where firmware sends each CPU that the first one starts (cpu/start.rs). Nothing is said in registers: not every
// firmware hands any over.
    .global boot_secondary_entry
boot_secondary_entry:
    msr     daifset, #0xf
    adr     x23, boot_secondary

// Goes on at x23, at EL1, whatever the level now. Uses x9-x11.
boot_to_el1:
    mrs     x9, CurrentEL
    cmp     x9, #(3 << 2)
    b.eq    boot_from_el3
    cmp     x9, #(2 << 2)
    b.eq    boot_from_el2
    ldr     x9, ={SCTLR_EL1_MMU_OFF}
    msr     sctlr_el1, x9

    // FEAT_TCR2 and FEAT_SCTLR2: their registers hold anything after reset (Arm ARM, "TCR2_EL1"). From EL2 and EL3
    // we come with both switched off, in HCRX_EL2 and SCR_EL3.
    mrs     x9, S3_0_C0_C7_3        // ID_AA64MMFR3_EL1
    tst     x9, #0xf
    b.eq    1f
    msr     S3_0_C2_C0_3, xzr       // TCR2_EL1
1:  tst     x9, #0xf0
    b.eq    2f
    msr     S3_0_C1_C0_3, xzr       // SCTLR2_EL1
2:  isb
    br      x23

// EL3: the loader left no firmware behind. We go on in *secure* EL1: only a secure kernel may put
// interrupts into the group it then acknowledges, and where the interrupt controller is we don't know yet.
boot_from_el3:
    adr     x9, boot_upper_vectors
    msr     vbar_el3, x9
    ldr     x9, ={SCR_EL3}
    msr     scr_el3, x9
    msr     cptr_el3, xzr           // no traps of FP, trace or CPACR_EL1
    msr     mdcr_el3, xzr           // no traps of debug and performance monitors

    // What the CPU's design wants of firmware. These take part in coherency only when told to, and must before a cache
    // goes on, with other CPUs or without (Technical Reference Manuals, "CPU Extended Control Register").
    mrs     x9, midr_el1
    lsr     x10, x9, #24
    cmp     x10, #0x41              // Arm's own
    b.ne    2f
    ubfx    x10, x9, #4, #12
    cmp     x10, #0xd03             // Cortex-A53
    b.eq    1f
    sub     x10, x10, #0xd07        // Cortex-A57, A72, A73
    cmp     x10, #2
    b.hi    2f
1:  mrs     x11, S3_1_C15_C2_1      // CPUECTLR_EL1
    orr     x11, x11, #(1 << 6)     // SMPEN
    msr     S3_1_C15_C2_1, x11
    cmp     x10, #1
    b.ne    2f
    tst     x9, #(0xf << 20)        // Cortex-A72 up to r0p3: erratum 859971
    b.ne    2f
    mrs     x11, S3_1_C15_C2_0      // CPUACTLR_EL1
    orr     x11, x11, #(1 << 32)    // no instruction prefetch
    msr     S3_1_C15_C2_0, x11
2:  isb

    mrs     x10, id_aa64pfr0_el1
    ubfx    x9, x10, #8, #4         // is there an EL2, whose offset the virtual count obeys?
    cbz     x9, 1f
    msr     cntvoff_el2, xzr
1:  ubfx    x9, x10, #24, #4        // GICv3: let lower levels use its system registers
    cbz     x9, 2f
    mrs     x9, S3_6_C12_C12_5      // ICC_SRE_EL3
    mov     x11, #{ICC_SRE_ENABLE}
    orr     x9, x9, x11
    msr     S3_6_C12_C12_5, x9
    isb
2:  ldr     x9, ={SCTLR_EL1_MMU_OFF}
    msr     sctlr_el1, x9
    msr     elr_el3, x23
    mov     x9, #{SPSR_EL1H_MASKED}
    msr     spsr_el3, x9
    isb
    eret

// EL2: give EL1 everything and never come back. Most of these registers hold anything after reset
// (Arm ARM, "Reset behavior" of each), so each is written whole, and no trap is left behind that we know of. For
// those that CPUs to come may have, and for registers that are missing though the CPU says it has them, there are
// vectors: otherwise any program could stop the machine with the one, and boot would end in the other.
boot_from_el2:
    adr     x9, boot_upper_vectors
    msr     vbar_el2, x9
    ldr     x9, ={SCTLR_EL2}
    msr     sctlr_el2, x9
    ldr     x9, ={HCR_EL2}
    msr     hcr_el2, x9
    isb
    mov     x9, #{CNTHCTL_EL2}      // EL1 uses the physical count and timer,
    msr     cnthctl_el2, x9
    msr     cntvoff_el2, xzr        // and the virtual count equals it
    mov     x9, #{CPTR_EL2}
    msr     cptr_el2, x9
    msr     hstr_el2, xzr
    msr     vttbr_el2, xzr
    mrs     x9, midr_el1
    msr     vpidr_el2, x9
    mrs     x9, mpidr_el1
    msr     vmpidr_el2, x9

    // Performance monitors: all counters belong to EL1 (HPMN), no traps. 0 and 15 mean there are none.
    mrs     x9, id_aa64dfr0_el1
    ubfx    x9, x9, #8, #4
    add     x9, x9, #1
    tst     x9, #0xe
    mov     x9, xzr
    b.eq    1f
    mrs     x9, pmcr_el0
    ubfx    x9, x9, #11, #5
1:  msr     mdcr_el2, x9

    // FEAT_FGT, FEAT_FGT2 and FEAT_HCX: no fine-grained traps, those of FEAT_AMUv1 included.
    mrs     x9, id_aa64mmfr0_el1
    ubfx    x9, x9, #56, #4
    cbz     x9, 2f
    msr     S3_4_C1_C1_4, xzr       // HFGRTR_EL2
    msr     S3_4_C1_C1_5, xzr       // HFGWTR_EL2
    msr     S3_4_C1_C1_6, xzr       // HFGITR_EL2
    msr     S3_4_C3_C1_4, xzr       // HDFGRTR_EL2
    msr     S3_4_C3_C1_5, xzr       // HDFGWTR_EL2
    mrs     x10, id_aa64pfr0_el1
    ubfx    x10, x10, #44, #4
    cbz     x10, 1f
    msr     S3_4_C3_C1_6, xzr       // HAFGRTR_EL2
1:  cmp     x9, #2
    b.lo    2f
    msr     S3_4_C3_C1_2, xzr       // HFGRTR2_EL2
    msr     S3_4_C3_C1_3, xzr       // HFGWTR2_EL2
    msr     S3_4_C3_C1_7, xzr       // HFGITR2_EL2
    msr     S3_4_C3_C1_0, xzr       // HDFGRTR2_EL2
    msr     S3_4_C3_C1_1, xzr       // HDFGWTR2_EL2
2:  mrs     x9, id_aa64mmfr1_el1
    ubfx    x9, x9, #40, #4
    cbz     x9, 3f
    msr     S3_4_C1_C2_2, xzr       // HCRX_EL2

    // GICv3: system registers for EL1, unless the implementation refuses; no virtual interrupts.
3:  mrs     x9, id_aa64pfr0_el1
    ubfx    x9, x9, #24, #4
    cbz     x9, 4f
    mrs     x9, S3_4_C12_C9_5       // ICC_SRE_EL2
    mov     x11, #{ICC_SRE_ENABLE}
    orr     x9, x9, x11
    msr     S3_4_C12_C9_5, x9
    isb
    mrs     x9, S3_4_C12_C9_5
    tbz     x9, #0, 4f
    msr     S3_4_C12_C11_0, xzr     // ICH_HCR_EL2

4:  ldr     x9, ={SCTLR_EL1_MMU_OFF}
    msr     sctlr_el1, x9
    msr     elr_el2, x23
    mov     x9, #{SPSR_EL1H_MASKED}
    msr     spsr_el2, x9
    isb
    eret

boot_first:
    msr     spsel, #1
    adr     x9, boot_vectors        // the kernel's own have to wait for the MMU
    msr     vbar_el1, x9
    isb

    // What we write with the data cache off goes straight to memory. A line that firmware left in a
    // cache could later be written back over it, so it goes first (Linux, "Booting AArch64 Linux": only the
    // loaded image is clean to the point of coherency, and BSS is not loaded).
    adrp    x0, __bss_start
    adrp    x1, __bss_end
    bl      boot_forget_lines

    adrp    x0, __bss_start
    adrp    x1, __bss_end
1:  stp     xzr, xzr, [x0]          // whole pages
    stp     xzr, xzr, [x0, #16]
    stp     xzr, xzr, [x0, #32]
    stp     xzr, xzr, [x0, #48]
    add     x0, x0, #64
    cmp     x0, x1
    b.lo    1b

    // Translation tables, and every translation register but the switch itself.
    adrp    x9, {BOOT_STACKS}
    add     x9, x9, :lo12:{BOOT_STACKS}
    add     x9, x9, #{BOOT_STACK_TOP}
    mov     sp, x9
    mov     x29, xzr
    mov     x30, xzr
    mov     x0, x20
    mov     x1, x22
    ldr     x2, =_start
    bl      {prepare_translation}

    // Lines that were speculatively filled while we wrote past the caches are stale now.
    adrp    x0, __bss_start
    adrp    x1, __bss_end
    bl      boot_forget_lines
    ic      iallu
    tlbi    vmalle1
    dsb     nsh
    isb

    ldr     x9, ={SCTLR_EL1}
    msr     sctlr_el1, x9
    isb                             // the next instruction comes through the identity map
    ldr     x9, =boot_high
    br      x9

boot_high:
    .cfi_startproc
    .cfi_undefined x30              // a backtrace ends here
    ldr     x9, ={STACK_TOP}
    mov     sp, x9
    mov     x29, xzr
    mov     x0, x20
    mov     x1, x21
    mov     x2, x22
    bl      {start_rust}            // which does not return
    .cfi_endproc

// A CPU that another one starts. What it reads before its caches are on, the other has cleaned to memory; it
// writes nothing, so that nothing in the caches of others gets stale.
boot_secondary:
    msr     spsel, #1
    adr     x9, boot_vectors
    msr     vbar_el1, x9
    adrp    x1, {START}
    add     x1, x1, :lo12:{START}
    mrs     x2, mpidr_el1
    ldr     x3, ={AFFINITY}
    and     x2, x2, x3
    orr     x2, x2, #{WANTED}
    ldr     x3, [x1, #{START_WHO}]
    cmp     x2, x3
    b.ne    boot_unwanted
    ldp     x4, x5, [x1, #{START_MAIR}]
    ldp     x6, x7, [x1, #{START_TTBR0}]
    ldp     x8, x0, [x1, #{START_STACK}]
    msr     mair_el1, x4
    msr     tcr_el1, x5
    msr     ttbr0_el1, x6
    msr     ttbr1_el1, x7
    ic      iallu
    tlbi    vmalle1
    dsb     nsh
    isb
    ldr     x9, ={SCTLR_EL1}
    msr     sctlr_el1, x9
    isb                             // the next instruction comes through the identity map
    ldr     x9, =boot_secondary_high
    br      x9

// x0 = PerCpu, x2 = what stands in START as long as this CPU is waited for, x8 = its stack.
boot_secondary_high:
    .cfi_startproc
    .cfi_undefined x30
    adrp    x1, {START}
    add     x1, x1, :lo12:{START}
    add     x1, x1, #{START_WHO}
    orr     x3, x2, #{ARRIVED}
1:  ldaxr   x4, [x1]
    cmp     x4, x2
    b.ne    boot_unwanted           // it came too late; its stack may be another CPU's by now
    stlxr   w5, x3, [x1]
    cbnz    w5, 1b
    mov     sp, x8
    mov     x29, xzr
    bl      {start_secondary}       // which does not return
    .cfi_endproc

boot_unwanted:
    wfe
    b       boot_unwanted

// Discards the cache lines from x0 to x1, both multiples of any line size. Uses x0-x3.
//
// Cache maintenance and stores to Device memory, which all memory is now, pass each other unless a barrier is
// between them (Arm ARM, "Ordering and completion of data and instruction cache instructions"): a line that is
// discarded before what was stored has arrived could be filled with what was there before.
boot_forget_lines:
    dsb     sy
    mrs     x2, ctr_el0
    ubfx    x2, x2, #16, #4         // DminLine: log2 of words
    mov     x3, #4
    lsl     x2, x3, x2
1:  dc      ivac, x0
    add     x0, x0, x2
    cmp     x0, x1
    b.lo    1b
    dsb     sy
    ret

// Reads the word at physical address x0: returns it, or all ones if there is nothing to read.
    .global boot_probe
boot_probe:
    ldr     w0, [x0]
boot_probe_done:
    ret

    .ltorg

// Vectors of EL2 and EL3, which have no interrupts: those go to EL1. SP is nobody's there and keeps x0.
    .balign 0x800
boot_upper_vectors:
    b       boot_skip               // from the same level, as boot may run with either stack pointer
    .balign 0x200
    b       boot_skip
    .balign 0x200

// From EL1 or EL0: an instruction that nobody here expects to trap. EL1 is told that it is undefined, by the
// vector that it would have been taken to.
    .macro boot_reflect el
    mrs     x0, elr_\el
    msr     elr_el1, x0
    mrs     x0, spsr_\el
    msr     spsr_el1, x0
    tst     x0, #(3 << 2)           // from EL0?
    mov     x0, #{ESR_UNKNOWN}
    msr     esr_el1, x0
    mrs     x0, vbar_el1
    add     x0, x0, #0x200          // the vectors for EL1
    b.ne    1f
    add     x0, x0, #0x200          // those for EL0
1:  msr     elr_\el, x0
    ldr     x0, ={SPSR_EXCEPTION}
    msr     spsr_\el, x0
    mov     x0, sp
    eret
    .endm

    mov     sp, x0
    mrs     x0, CurrentEL
    cmp     x0, #(3 << 2)
    b.eq    2f
    boot_reflect el2
2:  boot_reflect el3

// From the same level: the register that this instruction is about does not exist, and the next ones do without.
    .macro boot_go_on el
    mrs     x12, elr_\el
    add     x12, x12, #4
    msr     elr_\el, x12
    eret
    .endm

boot_skip:
    mrs     x12, CurrentEL
    cmp     x12, #(3 << 2)
    b.eq    2f
    boot_go_on el2
2:  boot_go_on el3

    .ltorg
// While the MMU is off, one exception is expected: that of `boot_probe` (device_tree.rs). Any other is a
// mistake of ours that nobody could be told of. Only the entry for synchronous exceptions at this level, with
// SP_EL1, is ever used: everything else is masked, or from elsewhere (Arm ARM, "Exception vectors").
    .balign 2048
boot_vectors:
    .skip   0x200
    adr     x1, boot_probe
    mrs     x2, elr_el1
    cmp     x1, x2
    b.ne    2f
    adr     x1, boot_probe_done
    msr     elr_el1, x1
    mov     x0, #-1
    eret
2:  wfe
    b       2b

    .balign 4096
    .global boot_end
boot_end:
