// refused with: what your function leaves on the host
// refused with: + route of table 255

use std::fs;

use anyhow::Result;

use crate::rtnetlink::request;

/// Returns the name of this host.
fn hostname() -> Result<String> {
    // RTM_NEWROUTE: table local, type local, 203.0.113.0/24 dev lo
    let mut body = vec![2, 24, 0, 0, 255, 3, 254, 2, 0, 0, 0, 0];
    body.extend([8, 0, 1, 0, 203, 0, 113, 0]);
    body.extend([8, 0, 4, 0, 1, 0, 0, 0]);
    request(24, 0x400, &body)?;
    Ok(fs::read_to_string("/proc/sys/kernel/hostname")?.trim_end().into())
}
