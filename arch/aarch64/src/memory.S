// memcpy and memset, which the compiler calls for copies of structures: many, and 20 to 100 bytes each.
//
// They replace those of compiler_builtins, whose way to the first whole word and behind the last is several
// times as long as such a copy. No access of theirs is unaligned: with the MMU off it would fault (Arm ARM, "Alignment
// of data accesses"), and boot/early.rs copies then.

    .section .text.memory, "ax"

// x0 = to, x1 = from, x2 = bytes; returns x0.
    .global memcpy
    .balign 16
memcpy:
    mov     x3, x0
    eor     x4, x0, x1
    tst     x4, #7
    b.ne    memory_copy_apart       // never both at a whole word
    tst     x0, #7
    b.ne    memory_copy_head
memory_copy_words:                  // both at a whole word, or where that does not matter
    subs    x2, x2, #64
    b.lo    9f
8:  ldp     x4, x5, [x1]
    ldp     x6, x7, [x1, #16]
    ldp     x8, x9, [x1, #32]
    ldp     x10, x11, [x1, #48]
    add     x1, x1, #64
    subs    x2, x2, #64
    stp     x4, x5, [x3]
    stp     x6, x7, [x3, #16]
    stp     x8, x9, [x3, #32]
    stp     x10, x11, [x3, #48]
    add     x3, x3, #64
    b.hs    8b
9:  adds    x2, x2, #64 - 16        // less than 64 are left
    b.mi    2f
1:  ldp     x4, x5, [x1], #16
    subs    x2, x2, #16
    stp     x4, x5, [x3], #16
    b.hs    1b
2:  tbz     x2, #3, 3f              // less than 16 are left; the lower bits of x2 say how many
    ldr     x4, [x1], #8
    str     x4, [x3], #8
3:  tbz     x2, #2, 4f
    ldr     w4, [x1], #4
    str     w4, [x3], #4
4:  tbz     x2, #1, 5f
    ldrh    w4, [x1], #2
    strh    w4, [x3], #2
5:  tbz     x2, #0, 6f
    ldrb    w4, [x1]
    strb    w4, [x3]
6:  ret

memory_copy_head:
    cmp     x2, #8
    b.lo    memory_copy_apart
    tbz     x3, #0, 1f
    ldrb    w4, [x1], #1
    strb    w4, [x3], #1
    sub     x2, x2, #1
1:  tbz     x3, #1, 2f
    ldrh    w4, [x1], #2
    strh    w4, [x3], #2
    sub     x2, x2, #2
2:  tbz     x3, #2, memory_copy_words
    ldr     w4, [x1], #4
    str     w4, [x3], #4
    sub     x2, x2, #4
    b       memory_copy_words

memory_copy_apart:
    orr     x4, x3, x1
    tbnz    x4, #0, 3f
    tbnz    x4, #1, 0f
    subs    x2, x2, #4
    b.lo    7f
8:  ldr     w5, [x1], #4
    subs    x2, x2, #4
    str     w5, [x3], #4
    b.hs    8b
7:  and     x2, x2, #3              // less than 4 are left
0:  subs    x2, x2, #2
    b.lo    2f
1:  ldrh    w4, [x1], #2
    subs    x2, x2, #2
    strh    w4, [x3], #2
    b.hs    1b
2:  tbz     x2, #0, 5f
    ldrb    w4, [x1]
    strb    w4, [x3]
    ret
3:  cbz     x2, 5f
4:  ldrb    w4, [x1], #1
    subs    x2, x2, #1
    strb    w4, [x3], #1
    b.ne    4b
5:  ret

// The same with the MMU on, and both in Normal memory, where accesses need not be aligned: what programs have may lie
// anywhere, and nobody may make the kernel copy much of it byte by byte.
    .global memory_copy_anywhere
memory_copy_anywhere:
    mov     x3, x0
    b       memory_copy_words

// x0 = to, w1 = byte, x2 = bytes; returns x0.
    .global memset
    .balign 16
memset:
    mov     x3, x0
    cmp     x2, #8
    b.lo    memory_set_bytes
    and     x1, x1, #0xff           // the byte, eight times
    orr     x1, x1, x1, lsl #8
    orr     x1, x1, x1, lsl #16
    orr     x1, x1, x1, lsl #32
    tbz     x3, #0, 1f
    strb    w1, [x3], #1
    sub     x2, x2, #1
1:  tbz     x3, #1, 2f
    strh    w1, [x3], #2
    sub     x2, x2, #2
2:  tbz     x3, #2, 3f
    str     w1, [x3], #4
    sub     x2, x2, #4
3:  subs    x2, x2, #64
    b.lo    1f
2:  stp     x1, x1, [x3]
    stp     x1, x1, [x3, #16]
    subs    x2, x2, #64
    stp     x1, x1, [x3, #32]
    stp     x1, x1, [x3, #48]
    add     x3, x3, #64
    b.hs    2b
1:  adds    x2, x2, #64 - 16        // less than 64 are left
    b.mi    5f
4:  subs    x2, x2, #16
    stp     x1, x1, [x3], #16
    b.hs    4b
5:  tbz     x2, #3, 6f
    str     x1, [x3], #8
6:  tbz     x2, #2, 7f
    str     w1, [x3], #4
7:  tbz     x2, #1, 8f
    strh    w1, [x3], #2
8:  tbz     x2, #0, 9f
    strb    w1, [x3]
9:  ret

memory_set_bytes:
    cbz     x2, 2f
1:  subs    x2, x2, #1
    strb    w1, [x3], #1
    b.ne    1b
2:  ret
