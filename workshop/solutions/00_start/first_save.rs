// How an exercise goes.
//
// The opening comment tells what the matter is, and where to read. `// TODO` is where you write. When you save the
// file, its tests run your function on a throw-away host, and look at what the kernel shows. What is wrong has four
// lines: what was looked at, what the kernel shows, what it should show, and where to read.
//
// So save this file as it is, and read those lines first. Then mend the function: the kernel has the name of its host
// in a file, and no disk is behind it.
//
// Read: book/src/01-uts.md#failure, proc_sys_kernel(5) (in Debian 12: proc(5)), "hostname".

use std::fs;

use anyhow::Result;

/// Returns the name of this host.
fn hostname() -> Result<String> {
    Ok(fs::read_to_string("/proc/sys/kernel/hostname")?.trim_end().into())
}

fn main() {}

// Why it works: the files of /proc are answers of the kernel, made when somebody reads them. So this one has another
// name as soon as somebody has set one, and another one for a process in another UTS namespace. Your machine's name is
// not among those that the tests have seen: they have a host of their own, and named it twice.

#[cfg(test)]
mod tests {
    use grader::exercise;
    use nix::unistd::sethostname;

    use super::*;

    const READ: &str = "book/src/01-uts.md#failure and proc_sys_kernel(5) (in Debian 12: proc(5))";

    #[test]
    fn it_is_the_name_that_the_kernel_has() {
        exercise::as_root(READ, |host| {
            for name in ["kitchen", "Cellar.example.org"] {
                sethostname(name).unwrap();
                let returned = format!("{:?}", host.run(hostname));
                host.shows("what your function returns", returned).should_be(format!("{name:?}"));
            }
        });
    }
}
