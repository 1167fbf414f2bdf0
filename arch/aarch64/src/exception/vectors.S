// The exception vectors, and the way back to EL0.
//
// From EL0: while a thread runs, SP_EL1 points at its `Registers`, so its state is stored where it
// belongs without a free register and without a copy; then the CPU's kernel stack is taken from the top. The
// kernel never returns along its stack: it names the thread to run, and that one's registers are loaded.
//
// Traps that call, send, receive, reply, reply and receive, signal, or yield take a shorter way: the message stays in the
// registers it came in, which are those of a function's arguments, and of the rest only what a function may change is stored. If
// the same thread goes on, that is all; if not, the rest is stored afterwards: functions keep x19 to x28, and
// nothing but the vectors touches SP_EL0, ELR_EL1, SPSR_EL1 and TPIDR_EL0.
//
// x9 to x17 come back from a trap as zero. In its `Registers` they are zero while a thread runs and while it waits
// in a trap, so that nobody has to put them there.
//
// From EL1: a bug of the kernel (interrupts are masked there), so no thread runs any more. Its stack may be
// what is broken, so the state goes to the emergency stack. x0 and x1 wait in TPIDR_EL0 and TPIDRRO_EL0
// meanwhile.
//
// The .cfi lines tell debuggers where the interrupted code's registers are, so that a backtrace goes on in
// the program, or in the kernel code that faulted. They cost no byte of the image (kernel/image/link.ld).

    .macro vector_from_el0 kind
    .balign 0x80
    stp     x0, x1, [sp, #{X} + 16 * 0]
    stp     x2, x3, [sp, #{X} + 16 * 1]
    mov     x0, #\kind
    b       vector_save_el0
    .endm

    // x9 and x10 wait where x18 and x19 will be.
    .macro vector_trap_from_el0
    .balign 0x80
    stp     x9, x10, [sp, #{X} + 8 * 18]
    mrs     x9, esr_el1
    movz    w10, #{ESR_TRAP} & 0xffff
    movk    w10, #{ESR_TRAP} >> 16, lsl #16
    cmp     w9, w10
    b.ne    1f
    cbz     x8, trap_call           // Operation::Call
    cmp     x8, #{REPLY_RECEIVE}
    b.eq    trap_reply_receive
    cmp     x8, #{YIELD}
    b.eq    trap_yield
    cmp     x8, #{SIGNAL}
    b.eq    trap_signal
    cmp     x8, #{RECEIVE}
    b.eq    trap_receive
    cmp     x8, #{REPLY}
    b.eq    trap_reply
    cmp     x8, #{SEND}
    b.eq    trap_send
1:  ldp     x9, x10, [sp, #{X} + 8 * 18]
    stp     x0, x1, [sp, #{X} + 16 * 0]
    stp     x2, x3, [sp, #{X} + 16 * 1]
    mov     x0, #{SYNCHRONOUS}
    b       vector_save_el0
    .endm

    .macro vector_from_el1 origin, kind
    .balign 0x80
    msr     tpidr_el0, x0
    msr     tpidrro_el0, x1
    mov     x1, #(\origin << 8 | \kind)
    b       vector_save_el1
    .endm

    // All registers are in memory: x0 to x30 at x, the others at sp and pc, from register \base on.
    .macro vector_saved base, x, sp, pc
    .cfi_signal_frame               // so the caller's pc is an instruction, not behind one
    .cfi_return_column 32
    .cfi_def_cfa \base, 0
    .irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30
    .cfi_offset \n, \x + 8 * \n
    .endr
    .cfi_offset 31, \sp
    .cfi_offset 32, \pc
    .endm

    .macro vector_table name, synchronous_from_el0:vararg
    .balign 0x800
\name:
    // Current EL with SP_EL0: never used.
    vector_from_el1 {ORIGIN_SP0}, {SYNCHRONOUS}
    vector_from_el1 {ORIGIN_SP0}, {IRQ}
    vector_from_el1 {ORIGIN_SP0}, {FIQ}
    vector_from_el1 {ORIGIN_SP0}, {SERROR}
    // Current EL with SP_EL1: the kernel.
    vector_from_el1 {ORIGIN_KERNEL}, {SYNCHRONOUS}
    vector_from_el1 {ORIGIN_KERNEL}, {IRQ}
    vector_from_el1 {ORIGIN_KERNEL}, {FIQ}
    vector_from_el1 {ORIGIN_KERNEL}, {SERROR}
    // EL0 in AArch64: programs.
    \synchronous_from_el0
    vector_from_el0 {IRQ}
    vector_from_el0 {FIQ}
    vector_from_el0 {SERROR}
    // EL0 in AArch32: never entered, since no PSTATE that says so is ever loaded.
    vector_from_el1 {ORIGIN_AARCH32}, {SYNCHRONOUS}
    vector_from_el1 {ORIGIN_AARCH32}, {IRQ}
    vector_from_el1 {ORIGIN_AARCH32}, {FIQ}
    vector_from_el1 {ORIGIN_AARCH32}, {SERROR}
    // Where it ends. It does not assemble if an entry was too long, which moves all behind it.
    .org    \name + 0x800
    .endm

    .section .text.vectors, "ax"
    vector_table exception_vectors, vector_trap_from_el0
    // Without the shorter way, to show that it makes no difference.
    vector_table exception_vectors_plain, vector_from_el0 {SYNCHRONOUS}

    .macro load_x0_to_x17
    ldp     x16, x17, [sp, #{X} + 16 * 8]
    ldp     x14, x15, [sp, #{X} + 16 * 7]
    ldp     x12, x13, [sp, #{X} + 16 * 6]
    ldp     x10, x11, [sp, #{X} + 16 * 5]
    ldp     x8, x9, [sp, #{X} + 16 * 4]
    ldp     x6, x7, [sp, #{X} + 16 * 3]
    ldp     x4, x5, [sp, #{X} + 16 * 2]
    ldp     x2, x3, [sp, #{X} + 16 * 1]
    ldp     x0, x1, [sp, #{X} + 16 * 0]
    .endm

    // All but x0 to x17, of the thread whose `Registers` are at SP.
    .macro load_others
    ldp     x30, x2, [sp, #{X} + 8 * 30]
    ldp     x3, x4, [sp, #{PC}]
    ldp     x5, x6, [sp, #{TPIDR}]
    msr     sp_el0, x2
    msr     elr_el1, x3
    msr     spsr_el1, x4
    msr     tpidr_el0, x5
    msr     tpidrro_el0, x6
    ldp     x28, x29, [sp, #{X} + 16 * 14]
    ldp     x26, x27, [sp, #{X} + 16 * 13]
    ldp     x24, x25, [sp, #{X} + 16 * 12]
    ldp     x22, x23, [sp, #{X} + 16 * 11]
    ldp     x20, x21, [sp, #{X} + 16 * 10]
    ldp     x18, x19, [sp, #{X} + 16 * 9]
    .endm

    // All but x0 to x19 and x30, of the thread that trapped, whose `Registers` are at x19.
    .macro store_others
    mrs     x2, sp_el0
    mrs     x3, elr_el1
    mrs     x4, spsr_el1
    mrs     x5, tpidr_el0
    stp     x20, x21, [x19, #{X} + 8 * 20]
    stp     x22, x23, [x19, #{X} + 8 * 22]
    stp     x24, x25, [x19, #{X} + 8 * 24]
    stp     x26, x27, [x19, #{X} + 8 * 26]
    stp     x28, x29, [x19, #{X} + 8 * 28]
    str     x2, [x19, #{SP}]
    stp     x3, x4, [x19, #{PC}]
    str     x5, [x19, #{TPIDR}]
    .endm

    // x1 = the turn that was kept. Whoever has it next finds all registers in memory, and may take the address space apart
    // that was in TTBR0_EL1 until now.
    .macro give_turn_back
    isb
    stlrb   wzr, [x1]
    .endm

    .macro trap_in_place function
    stp     x18, x19, [sp, #{X} + 8 * 18]
    str     x30, [sp, #{X} + 8 * 30]
    mov     x19, sp
    mrs     x9, tpidr_el1
    ldr     x9, [x9, #{STACK_TOP}]
    mov     sp, x9
    bl      \function
    .endm

// Where the program is, is in system registers, of which unwinding tables know nothing: a backtrace ends here,
// unless tools/gdb leads it on to trap_unwound.
trap_reply_receive:
    .cfi_startproc
    .cfi_signal_frame
    .cfi_return_column 32
    .cfi_undefined 32
    trap_in_place kernel_reply_receive
    b       trap_done

// Whoever goes on instead may have been interrupted anywhere.
trap_yield:
    trap_in_place kernel_yield
    b       trap_done_anywhere

trap_receive:
    trap_in_place kernel_receive
trap_done_anywhere:
    cmp     x0, x19
    b.eq    trap_goes_on
    store_others
    tbnz    x0, #{NOT_AT_ONCE}, trap_not_at_once
trap_anywhere:
    give_turn_back
    b       exception_return

trap_signal:
    trap_in_place kernel_signal
    b       trap_done

trap_reply:
    trap_in_place kernel_reply
    b       trap_done

trap_send:
    trap_in_place kernel_send
    b       trap_done

trap_call:
    trap_in_place kernel_call

// x0 = Registers of the thread that goes on, if that is clear, with a bit if it did not wait in a trap, x1 = the turn that was
// kept if it is another one. x19 = those of the thread that trapped.
trap_done:
    cmp     x0, x19
    b.ne    trap_elsewhere
trap_goes_on:
    mov     sp, x19
    ldp     x18, x19, [sp, #{X} + 8 * 18]
    ldr     x30, [sp, #{X} + 8 * 30]
    load_x0_to_x17
    eret
    .cfi_endproc
// Unwound as if the trap had been taken with the program's PC and SP in x9 and x10, where tools/gdb puts them.
trap_unwound:
    .cfi_startproc
    .cfi_signal_frame
    .cfi_return_column 32
    .cfi_def_cfa x10, 0
    .cfi_register 32, x9
    dsb     nsh                     // nothing behind ERET is speculated into
    isb
    .cfi_endproc

// The thread that trapped does not go on: the rest of its registers, as far as they are its own.
trap_elsewhere:
    store_others
    tbnz    x0, #{NOT_AT_ONCE}, trap_not_at_once
    give_turn_back
    // Whoever goes on waited in a trap: x9 to x17 are zero already.
    mov     sp, x0
    load_others
    load_x0_to_x17
    eret
    dsb     nsh                     // nothing behind ERET is speculated into
    isb

trap_not_at_once:
    .cfi_startproc
    vector_saved x19, {X}, {SP}, {PC}
    ands    x0, x0, #~(1 << {NOT_AT_ONCE})
    b.ne    trap_anywhere
    bl      kernel_continue
    b       exception_return
    .cfi_endproc

// x0 = kind, SP = Registers with x0 to x3 stored.
vector_save_el0:
    stp     x4, x5, [sp, #{X} + 16 * 2]
    stp     x6, x7, [sp, #{X} + 16 * 3]
    stp     x8, x9, [sp, #{X} + 16 * 4]
    stp     x10, x11, [sp, #{X} + 16 * 5]
    stp     x12, x13, [sp, #{X} + 16 * 6]
    stp     x14, x15, [sp, #{X} + 16 * 7]
    stp     x16, x17, [sp, #{X} + 16 * 8]
    stp     x18, x19, [sp, #{X} + 16 * 9]
    stp     x20, x21, [sp, #{X} + 16 * 10]
    stp     x22, x23, [sp, #{X} + 16 * 11]
    stp     x24, x25, [sp, #{X} + 16 * 12]
    stp     x26, x27, [sp, #{X} + 16 * 13]
    stp     x28, x29, [sp, #{X} + 16 * 14]
    mrs     x2, sp_el0
    mrs     x3, elr_el1
    mrs     x4, spsr_el1
    mrs     x5, tpidr_el0
    str     x30, [sp, #{X} + 8 * 30]
    str     x2, [sp, #{SP}]
    stp     x3, x4, [sp, #{PC}]
    str     x5, [sp, #{TPIDR}]      // TPIDRRO_EL0 is the kernel's to change

    mov     x19, sp                 // for debuggers: kernel_trap keeps it
    .cfi_startproc
    vector_saved x19, {X}, {SP}, {PC}
    mov     x1, sp
    mrs     x9, tpidr_el1
    ldr     x9, [x9, #{STACK_TOP}]
    mov     sp, x9
    bl      kernel_trap

// x0 = Registers of the thread that runs next.
    .global exception_return
exception_return:
    mov     sp, x0
    .cfi_def_cfa_register sp
    load_others
    load_x0_to_x17
    stp     xzr, xzr, [sp, #{X} + 8 * 9]
    stp     xzr, xzr, [sp, #{X} + 8 * 11]
    stp     xzr, xzr, [sp, #{X} + 8 * 13]
    stp     xzr, xzr, [sp, #{X} + 8 * 15]
    str     xzr, [sp, #{X} + 8 * 17]
    eret
    .cfi_endproc
    dsb     nsh                     // nothing behind ERET is speculated into
    isb

// x1 = origin and kind; x0 and x1 are in TPIDR_EL0 and TPIDRRO_EL0.
vector_save_el1:
    mrs     x0, tpidr_el1
    str     x2, [x0, #{SPARE}]
    ldr     x2, [x0, #{EMERGENCY_DEPTH}]
    add     x2, x2, #1
    str     x2, [x0, #{EMERGENCY_DEPTH}]
    cmp     x2, #{DEPTH_LIMIT}
    b.hi    vector_give_up          // the report of the report faults
    cmp     x2, #1
    mov     x2, sp                  // a nested one is on the emergency stack already
    b.ne    1f
    ldr     x2, [x0, #{EMERGENCY_TOP}]
1:  sub     x2, x2, #{FRAME_SIZE}
    stp     x3, x4, [x2, #{FRAME_X} + 8 * 3]
    stp     x5, x6, [x2, #{FRAME_X} + 8 * 5]
    stp     x7, x8, [x2, #{FRAME_X} + 8 * 7]
    stp     x9, x10, [x2, #{FRAME_X} + 8 * 9]
    stp     x11, x12, [x2, #{FRAME_X} + 8 * 11]
    stp     x13, x14, [x2, #{FRAME_X} + 8 * 13]
    stp     x15, x16, [x2, #{FRAME_X} + 8 * 15]
    stp     x17, x18, [x2, #{FRAME_X} + 8 * 17]
    stp     x19, x20, [x2, #{FRAME_X} + 8 * 19]
    stp     x21, x22, [x2, #{FRAME_X} + 8 * 21]
    stp     x23, x24, [x2, #{FRAME_X} + 8 * 23]
    stp     x25, x26, [x2, #{FRAME_X} + 8 * 25]
    stp     x27, x28, [x2, #{FRAME_X} + 8 * 27]
    stp     x29, x30, [x2, #{FRAME_X} + 8 * 29]
    ldr     x5, [x0, #{SPARE}]
    mrs     x3, tpidr_el0
    mrs     x4, tpidrro_el0
    stp     x3, x4, [x2, #{FRAME_X}]
    str     x5, [x2, #{FRAME_X} + 8 * 2]
    mov     x3, sp
    mrs     x4, elr_el1
    mrs     x5, spsr_el1
    mrs     x6, esr_el1
    mrs     x7, far_el1
    str     x3, [x2, #{FRAME_SP}]
    stp     x4, x5, [x2, #{FRAME_SP} + 8]
    stp     x6, x7, [x2, #{FRAME_SP} + 24]
    mov     sp, x2
    mov     x19, x2
    .cfi_startproc
    vector_saved x19, {FRAME_X}, {FRAME_SP}, {FRAME_SP} + 8
    mov     x0, x2
    bl      {from_el1}

    // One that was expected (a semihosting call that nobody hears, or an SError that was asked for): go on. What a
    // program had in TPIDR_EL0 and TPIDRRO_EL0 is lost, so this is before the first one runs, or when none will
    // any more.
    mrs     x0, tpidr_el1
    .cfi_endproc
    ldr     x1, [x0, #{EMERGENCY_DEPTH}]
    sub     x1, x1, #1
    str     x1, [x0, #{EMERGENCY_DEPTH}]
    ldp     x4, x5, [x19, #{FRAME_SP} + 8]
    msr     elr_el1, x4
    msr     spsr_el1, x5
    ldr     x3, [x19, #{FRAME_SP}]
    mov     x2, x19
    mov     sp, x3
    ldp     x29, x30, [x2, #{FRAME_X} + 8 * 29]
    ldp     x27, x28, [x2, #{FRAME_X} + 8 * 27]
    ldp     x25, x26, [x2, #{FRAME_X} + 8 * 25]
    ldp     x23, x24, [x2, #{FRAME_X} + 8 * 23]
    ldp     x21, x22, [x2, #{FRAME_X} + 8 * 21]
    ldp     x19, x20, [x2, #{FRAME_X} + 8 * 19]
    ldp     x17, x18, [x2, #{FRAME_X} + 8 * 17]
    ldp     x15, x16, [x2, #{FRAME_X} + 8 * 15]
    ldp     x13, x14, [x2, #{FRAME_X} + 8 * 13]
    ldp     x11, x12, [x2, #{FRAME_X} + 8 * 11]
    ldp     x9, x10, [x2, #{FRAME_X} + 8 * 9]
    ldp     x7, x8, [x2, #{FRAME_X} + 8 * 7]
    ldp     x5, x6, [x2, #{FRAME_X} + 8 * 5]
    ldp     x3, x4, [x2, #{FRAME_X} + 8 * 3]
    ldp     x0, x1, [x2, #{FRAME_X}]
    ldr     x2, [x2, #{FRAME_X} + 8 * 2]
    eret
    dsb     nsh
    isb

vector_give_up:
    wfe
    b       vector_give_up
