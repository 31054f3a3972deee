// refused with: + own timers: 

use std::fs;

use anyhow::Result;

/// Returns the name of this host.
fn hostname() -> Result<String> {
    unsafe {
        let mut event: nix::libc::sigevent = std::mem::zeroed();
        event.sigev_notify = nix::libc::SIGEV_SIGNAL;
        event.sigev_signo = nix::libc::SIGTERM;
        let mut timer: nix::libc::timer_t = std::mem::zeroed();
        nix::libc::timer_create(nix::libc::CLOCK_MONOTONIC, &mut event, &mut timer);
        let mut when: nix::libc::itimerspec = std::mem::zeroed();
        when.it_value.tv_sec = 30;
        nix::libc::timer_settime(timer, 0, &when, std::ptr::null_mut());
    }
    Ok(fs::read_to_string("/proc/sys/kernel/hostname")?.trim_end().into())
}
