//! A program that has no library at all, and ends: what the kernel does at a start.

#![no_std]
#![no_main]

use core::arch::global_asm;

#[cfg(target_arch = "x86_64")]
global_asm!(".globl _start", "_start:", "mov eax, 231", "xor edi, edi", "syscall");

#[cfg(target_arch = "aarch64")]
global_asm!(".globl _start", "_start:", "mov x8, 94", "mov x0, 0", "svc 0");

#[panic_handler]
fn panic(_: &core::panic::PanicInfo) -> ! {
    loop {}
}
