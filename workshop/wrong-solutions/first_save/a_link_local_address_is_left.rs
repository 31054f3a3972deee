// refused with: what your function leaves on the host
// refused with: + address: fe80::bad

use std::fs;

use anyhow::Result;

use crate::rtnetlink::request;

/// Returns the name of this host.
fn hostname() -> Result<String> {
    // RTM_NEWADDR: fe80::bad/64 on lo
    let mut body = vec![10, 64, 0, 0, 1, 0, 0, 0];
    body.extend([20, 0, 1, 0, 0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xb, 0xad]);
    request(20, 0x400, &body)?;
    Ok(fs::read_to_string("/proc/sys/kernel/hostname")?.trim_end().into())
}
