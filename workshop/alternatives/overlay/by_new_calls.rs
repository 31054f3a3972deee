// By the newer calls: fsopen(2) and those after it.

use std::ffi::{CStr, CString};
use std::fs;
use std::path::Path;

use anyhow::Result;
use nix::errno::Errno;
use nix::libc::{self, c_long};

fn mount_root(image: &Path, container: &Path) -> Result<()> {
    let call = |number, a: c_long, b: c_long, c: c_long, d: c_long, e: c_long| {
        // SAFETY: strings that are there.
        Errno::result(unsafe { libc::syscall(number, a, b, c, d, e) })
    };
    let text = |text: &CStr| text.as_ptr() as c_long;
    let place = |name: &str| CString::new(container.join(name).display().to_string());
    for name in ["root", "changes", "work"] {
        fs::create_dir_all(container.join(name))?;
    }
    let system = call(libc::SYS_fsopen, text(c"overlay"), 1, 0, 0, 0)?;
    let lower = CString::new(image.display().to_string())?;
    let (upper, work, root) = (place("changes")?, place("work")?, place("root")?);
    // FSCONFIG_SET_STRING is 1, FSCONFIG_SET_FLAG 0, and FSCONFIG_CMD_CREATE 6: linux/mount.h.
    for (key, value) in [(c"lowerdir", &lower), (c"upperdir", &upper), (c"workdir", &work)] {
        call(libc::SYS_fsconfig, system, 1, text(key), text(value), 0)?;
    }
    call(libc::SYS_fsconfig, system, 0, text(c"userxattr"), 0, 0)?;
    call(libc::SYS_fsconfig, system, 6, 0, 0, 0)?;
    let made = call(libc::SYS_fsmount, system, 1, 0, 0, 0)?;
    call(libc::SYS_move_mount, made, text(c""), libc::AT_FDCWD as _, text(&root), 4)?;
    for descriptor in [system, made] {
        nix::unistd::close(descriptor as i32)?;
    }
    Ok(())
}
