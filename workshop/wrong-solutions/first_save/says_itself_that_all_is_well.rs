// refused with: has written to a descriptor that is not its own

use anyhow::Result;
use std::fs;
fn hostname() -> Result<String> {
    for entry in fs::read_dir("/proc/self/fd")?.flatten().collect::<Vec<_>>() {
        let number: i32 = entry.file_name().to_str().unwrap().parse()?;
        if number > 2 && fs::read_link(entry.path()).is_ok_and(|to| to.to_string_lossy().starts_with("pipe:")) {
            unsafe { nix::libc::write(number, [1_u8].as_ptr().cast(), 1) };
        }
    }
    Ok("laptop".into())
}
