//! Cgroups that are folders, and the real ones of this machine.

use super::*;
use crate::run::{CgroupMemory, NearestLimit};
use proptest::prelude::*;
use std::{
    fs,
    path::{Path, PathBuf},
};

const V1_STAT: &str =
    "cache 1\nrss 2\nshmem 3\nswap 4\nhierarchical_memory_limit 9223372036854771712
total_cache 5000\ntotal_rss 700\ntotal_rss_huge 9\ntotal_shmem 1000\ntotal_swap 60\n";
const V2_STAT: &str = "anon 700\nfile 5000\nkernel 90\nkernel_stack 16\npagetables 30\npercpu 4
sock 8\nshmem 1000\nslab 20\nslab_reclaimable 5\n";

/// A /proc with mounts of the two kinds below it, removed at the end.
struct Fixture(PathBuf);

impl Fixture {
    fn new(name: &str) -> Self {
        let root = std::env::temp_dir().join(format!("cowtrace-cg-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&root);
        let own = Self(root);
        let line = |point: &str, root: &str, rest: &str| {
            let point = own.0.join(point);
            format!(
                "31 23 0:28 {root} {} rw,relatime shared:7 - {rest}\n",
                point.display()
            )
        };
        let mounts = [
            "23 1 fe:00 / / rw - ext4 /dev/root rw\n".to_owned(),
            line("v1/cpu", "/", "cgroup cgroup rw,cpu"),
            line("v1/me\\040mory", "/", "cgroup cgroup rw,memory"),
            line("covered", "/", "cgroup2 cgroup2 rw"),
            line("v2", "/", "cgroup2 cgroup2 rw,nsdelegate"),
            line("pod", "/../pods", "cgroup2 cgroup2 rw"),
        ];
        own.put("self/mountinfo", &mounts.concat());
        own
    }

    fn put(&self, path: &str, text: &str) {
        let path = self.0.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn cgroup_of(&self, pid: u32, text: &str) -> Option<MemoryCgroup> {
        self.put(&format!("{pid}/cgroup"), text);
        CgroupMounts::read(&self.0).of_process(&self.0, pid)
    }
}

impl Drop for Fixture {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn version_1_is_read_with_what_lies_below() {
    let proc = Fixture::new("v1");
    let folder = "v1/me mory/a b/job";
    proc.put(&format!("{folder}/memory.stat"), V1_STAT);
    proc.put(&format!("{folder}/memory.usage_in_bytes"), "6000\n");
    proc.put(&format!("{folder}/memory.kmem.usage_in_bytes"), "300\n");
    proc.put(&format!("{folder}/memory.kmem.tcp.usage_in_bytes"), "20\n");
    proc.put(
        &format!("{folder}/memory.oom_control"),
        "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n",
    );
    proc.put(
        &format!("{folder}/memory.limit_in_bytes"),
        "9223372036854771712\n",
    );
    let cgroup = proc
        .cgroup_of(9, "4:cpu:/\n3:hugetlb,memory:/a b/job\n0::/\n")
        .unwrap();
    assert_eq!(
        (cgroup.version(), cgroup.path().as_str()),
        (CgroupVersion::V1, "/a b/job")
    );
    let expected = CgroupMemory {
        usage_bytes: Some(6000),
        anonymous_bytes: Some(700),
        file_bytes: Some(4000),
        shmem_bytes: Some(1000),
        kernel_bytes: Some(320),
        sockets_bytes: Some(20),
        swap_bytes: Some(60),
        oom_kills: Some(3),
    };
    assert_eq!(cgroup.read(), Some(expected));
    assert_eq!(cgroup.nearest_limit(), None);
    proc.put("v1/me mory/a b/memory.limit_in_bytes", "7000\n");
    proc.put("v1/me mory/a b/memory.usage_in_bytes", "6500\n");
    let limit = NearestLimit {
        limit_bytes: 7000,
        usage_bytes: Some(6500),
        file_bytes: None,
        cgroup: Some("/a b".into()),
    };
    assert_eq!(cgroup.nearest_limit(), Some(limit));
    // One above what is mounted here.
    let stat = V1_STAT.replace("9223372036854771712", "6900");
    proc.put(&format!("{folder}/memory.stat"), &stat);
    let limit = cgroup.nearest_limit().unwrap();
    assert_eq!((limit.limit_bytes, limit.cgroup), (6900, None));
}

#[test]
fn version_2_is_read_where_memory_is_counted() {
    let proc = Fixture::new("v2");
    proc.put("v2/app/memory.stat", V2_STAT);
    proc.put("v2/app/memory.current", "6000\n");
    proc.put("v2/app/memory.swap.current", "60\n");
    proc.put("v2/app/memory.max", "max\n");
    proc.put(
        "v2/app/memory.events",
        "low 0\nhigh 1\nmax 2\noom 3\noom_kill 4\noom_group_kill 5\n",
    );
    fs::create_dir_all(proc.0.join("v2/app/inner")).unwrap();
    let cgroup = proc.cgroup_of(9, "0::/app/inner (deleted)\n").unwrap();
    assert_eq!(
        (cgroup.version(), cgroup.path().as_str()),
        (CgroupVersion::V2, "/app")
    );
    let expected = CgroupMemory {
        usage_bytes: Some(6000),
        anonymous_bytes: Some(700),
        file_bytes: Some(4000),
        shmem_bytes: Some(1000),
        kernel_bytes: Some(98),
        sockets_bytes: Some(8),
        swap_bytes: Some(60),
        oom_kills: Some(4),
    };
    assert_eq!(cgroup.read(), Some(expected));
    assert_eq!(cgroup.nearest_limit(), None);
    proc.put("v2/app/memory.max", "7000\n");
    let limit = cgroup.nearest_limit().unwrap();
    assert_eq!((limit.limit_bytes, limit.usage_bytes), (7000, Some(6000)));
    let old = V2_STAT.replace("kernel 90\n", "");
    assert_eq!(memory_of_v2(old.as_bytes()).kernel_bytes, Some(78));
}

#[test]
fn the_smallest_limit_counts_wherever_it_is() {
    let proc = Fixture::new("limits");
    for (folder, limit) in [
        ("a", "5000"),
        ("a/b", "9000"),
        ("a/b/c", "max"),
        ("a/b/c/d", "5000"),
    ] {
        proc.put(&format!("v2/{folder}/memory.max"), limit);
        proc.put(&format!("v2/{folder}/memory.current"), "1\n");
    }
    let nearest = |path: &str| {
        let cgroup = proc.cgroup_of(9, &format!("0::{path}\n")).unwrap();
        let limit = cgroup.nearest_limit()?;
        Some((limit.limit_bytes, limit.cgroup.unwrap()))
    };
    assert_eq!(nearest("/a/b/c/d"), Some((5000, "/a/b/c/d".into())));
    assert_eq!(nearest("/a/b/c"), Some((5000, "/a".into())));
    assert_eq!(nearest("/"), None);
}

#[test]
fn processes_have_the_cgroup_in_common_that_is_above_them() {
    let proc = Fixture::new("common");
    for folder in ["a/b/one", "a/b/two", "a/c"] {
        fs::create_dir_all(proc.0.join("v2").join(folder)).unwrap();
    }
    proc.put("v2/a/memory.current", "1\n");
    proc.put("v2/a/b/memory.current", "1\n");
    for (pid, path) in [(1, "/a/b/one"), (2, "/a/b/two"), (3, "/a/c"), (4, "/")] {
        proc.put(&format!("{pid}/cgroup"), &format!("0::{path}\n"));
    }
    proc.put("5/cgroup", "3:memory:/\n0::/a\n");
    fs::create_dir_all(proc.0.join("v1/me mory")).unwrap();
    let mounts = CgroupMounts::read(&proc.0);
    let common = |pids: &[u32]| mounts.common_to(&proc.0, pids).map(|it| it.path());
    assert_eq!(common(&[1, 2]), Some("/a/b".into()));
    assert_eq!(common(&[1, 77]), Some("/a/b".into()));
    assert_eq!(common(&[1, 2, 3]), Some("/a".into()));
    assert_eq!(common(&[1, 4]), Some("/".into()));
    assert_eq!(common(&[1, 5]), None);
    assert_eq!(common(&[77]), None);
}

/// What this process may not see begins with dots; a mount may show it nevertheless.
#[test]
fn cgroups_above_are_found_only_where_they_are_mounted() {
    let proc = Fixture::new("above");
    fs::create_dir_all(proc.0.join("pod/one")).unwrap();
    proc.put("one/secret", "");
    assert_eq!(proc.cgroup_of(9, "0::/../one\n"), None);
    let cgroup = proc.cgroup_of(9, "0::/../pods/one\n").unwrap();
    assert!(cgroup.top.ends_with("pod"));
    assert_eq!(proc.cgroup_of(9, "0::/../pods/../one\n"), None);
    assert_eq!(proc.cgroup_of(9, "3:cpu:/\n"), None);
}

#[test]
fn the_cgroup_of_this_process_is_read() {
    let (root, own) = (Path::new("/proc"), std::process::id());
    let mounts = CgroupMounts::read(root);
    let Some(cgroup) = mounts.of_process(root, own) else {
        // Where none is mounted, none is found.
        assert_eq!(mounts, CgroupMounts::default());
        return;
    };
    let Some(memory) = cgroup.read() else {
        // Where nothing counts memory, that is the root.
        assert_eq!(cgroup.path(), "/");
        return;
    };
    assert!(memory.anonymous_bytes.unwrap() > 0, "{memory:?}");
    let used = memory.anonymous_bytes.unwrap() + memory.file_bytes.unwrap();
    // Counters of one moment are read after those of another.
    assert!(
        memory.usage_bytes.is_none_or(|usage| usage > used / 2),
        "{memory:?}"
    );
    assert_eq!(mounts.common_to(root, &[own, own]), Some(cgroup));
}

proptest! {
    #[test]
    fn hostile_text_is_no_crash(text in "[-0-9a-z /:,\\\\.\n]{0,120}", bytes in proptest::collection::vec(any::<u8>(), 0..120)) {
        for text in [text.as_bytes(), &bytes] {
            let _ = (cgroup_mounts(text), memory_path(text), memory_of_v1(text), memory_of_v2(text));
        }
        let cgroup = |path: &[u8]| memory_path(&[b"0::/", path, b"\n"].concat());
        prop_assert!(cgroup(bytes.split(|byte| *byte == b'\n').next().unwrap_or_default()).is_some());
    }
}

/// A cgroup for one child below the hierarchy's top, removed at the end.
struct Group {
    folder: PathBuf,
    child: Option<std::process::Child>,
}

impl Group {
    /// None where this process may not make cgroups that count memory.
    fn new(limit: &str) -> Option<Self> {
        let mounts = CgroupMounts::read(Path::new("/proc"));
        let own = mounts.of_process(Path::new("/proc"), std::process::id())?;
        let folder = own
            .top
            .join(format!("cowtrace-test-{}", std::process::id()));
        fs::create_dir(&folder).ok()?;
        let group = Self {
            folder,
            child: None,
        };
        let limits = ["memory.limit_in_bytes", "memory.max"];
        let mut limits = limits.iter().map(|name| group.folder.join(name));
        fs::write(limits.find(|file| file.exists())?, limit).ok()?;
        Some(group)
    }

    /// A child that moves itself there.
    fn start_child(&mut self) -> u32 {
        let procs = self.folder.join("cgroup.procs");
        let script = format!("echo $$ > {} && exec sleep 60", procs.display());
        let mut command = std::process::Command::new("sh");
        let child = command.arg("-c").arg(script).spawn().unwrap();
        self.child.insert(child).id()
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
        // The kernel may take a while to let go of the child.
        for _ in 0..100 {
            if fs::remove_dir(&self.folder).is_ok() {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
    }
}

#[test]
fn a_real_childs_cgroup_has_its_limit_and_its_memory() {
    const LIMIT: u64 = 64 << 20;
    let Some(mut group) = Group::new("67108864") else {
        return;
    };
    let (root, pid) = (Path::new("/proc"), group.start_child());
    let mounts = CgroupMounts::read(root);
    let name = group.folder.file_name().unwrap().to_str().unwrap();
    let path = format!("/{name}");
    let begun = std::time::Instant::now();
    let cgroup = loop {
        // Until the shell has moved itself.
        let found = mounts.of_process(root, pid).unwrap();
        if found.path() == path || begun.elapsed().as_secs() > 30 {
            break found;
        }
        std::thread::sleep(std::time::Duration::from_millis(1));
    };
    let limit = cgroup.nearest_limit().unwrap();
    assert_eq!((limit.limit_bytes, limit.cgroup), (LIMIT, Some(path)));
    let memory = cgroup.read().unwrap();
    assert!(limit.usage_bytes.unwrap() <= LIMIT && memory.usage_bytes.unwrap() <= LIMIT);
    assert_eq!(memory.oom_kills, Some(0));
    let own = std::process::id();
    // Ours is another, so what both have in common lies above.
    assert_eq!(mounts.common_to(root, &[pid, own]).unwrap().path(), "/");
}
