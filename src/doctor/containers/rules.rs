//! What can be wrong with a container: entries of the catalogue. The part after the dot is the same as that of
//! the rules for compose files, where both have it.

use crate::doctor::finding::{Rule, Severity};

macro_rules! rules {
    ($($name:ident = $id:literal, $severity:ident, $title:literal, $why:literal;)*) => {
        $(pub static $name: Rule = Rule {
            id: $id, title: $title, why: $why, severity: Severity::$severity,
        };)*
        /// Every rule, in the order of the catalogue.
        pub static ALL: &[&Rule] = &[$(&$name),*];
    };
}

rules! {
    PUBLISHED = "containers.published-everywhere", Error,
        "a port is published on more than loopback",
        "Whoever is in the same network can talk to it; engines write their own rules before those of most \
         host firewalls.";
    HOST_NETWORK = "containers.host-network", Error,
        "it is in the network of the host",
        "It reaches everything that listens on this machine's loopback, and can listen there itself.";
    PRIVILEGED = "containers.privileged", Error,
        "it is privileged",
        "Root in it is root of this machine: every device and every capability is there.";
    ROOT_USER = "containers.root-user", Error,
        "its first process is root",
        "A hole in the program, in the engine or in the kernel is worth more to root.";
    USER_DIFFERS = "containers.user-differs", Error,
        "its first process is not the user that is expected",
        "What was decided about files is decided for another user.";
    NEW_PRIVILEGES = "containers.new-privileges", Error,
        "it can gain privileges by exec",
        "A set-uid program in the image makes its user root.";
    CAPABILITIES = "containers.capabilities", Error,
        "it can have capabilities",
        "Each one is a right of root; a connector and a model server need none.";
    SECCOMP_OFF = "containers.seccomp-off", Error,
        "no filter of system calls is in force",
        "Every call of the kernel, and every hole in one, can be reached.";
    MODULE_OFF = "containers.security-module-off", Warning,
        "AppArmor or SELinux is switched off for it",
        "What the module would have refused is allowed.";
    UNMASKED = "containers.unmasked-paths", Error,
        "/proc and /sys are not masked",
        "The kernel's memory, keys and settings can be looked at, and some be changed.";
    WRITABLE_ROOT = "containers.writable-root", Error,
        "its root, /etc with it, can be written",
        "An intruder can replace programs and configuration, and stays.";
    TMP = "containers.tmp-not-writable", Warning,
        "/tmp cannot be written, or is no tmpfs",
        "Programs fail in ways that nobody understands, and the root gets opened for them; what is kept there \
         is on the disk, without a limit.";
    TMPFS_OPTIONS = "containers.tmpfs-options", Warning,
        "a tmpfs allows programs, set-uid files or devices, or has no size",
        "What is dropped there can be run; it can fill the machine's memory.";
    HOST_NAMESPACE = "containers.host-namespace", Error,
        "it shares a namespace of the host",
        "It sees processes, shared memory or users of the host, and can signal or change them.";
    SHARED_NAMESPACE = "containers.shared-namespace", Warning,
        "it shares a namespace of another container",
        "The two see each other's processes, shared memory or network.";
    ENGINE_SOCKET = "containers.engine-socket", Error,
        "it has the socket of a container engine",
        "Whoever can talk to the engine is root of this machine.";
    SENSITIVE_BIND = "containers.sensitive-bind", Error,
        "it has a part of the host that is nobody's to have",
        "Secrets can be read, or the host be changed, from inside.";
    WRITABLE_BIND = "containers.writable-bind", Info,
        "a folder of the host can be written from inside",
        "What is put there acts later, outside: hooks, configuration, programs.";
    PROPAGATION = "containers.mount-propagation", Error,
        "mounts made inside appear on the host",
        "A file system that is mounted in the container covers files of the host.";
    DEVICE = "containers.device", Warning,
        "it has a device of the host",
        "Drivers are large, and were not written against their users.";
    DEVICE_RULE = "containers.device-rule", Error,
        "a rule opens devices to it",
        "With MKNOD, which is in the engine's default, a process makes a node for any of them.";
    GPU = "containers.gpu", Info,
        "it has a GPU",
        "Its driver is large, runs in the kernel, and sees the memory of the programs that share the card.";
    MEMORY = "containers.memory-limit", Warning,
        "no limit of memory is in force",
        "It can take all memory of the machine, and the kernel ends other programs for it.";
    CPUS = "containers.cpu-limit", Warning,
        "no limit of processors is in force",
        "It can slow down everything else on the machine.";
    PIDS = "containers.pids-limit", Warning,
        "no limit of processes is in force",
        "A fork bomb in it is one of the machine.";
    CGROUP_PARENT = "containers.cgroup-parent", Warning,
        "it is in a cgroup that was named",
        "It is outside of what the engine accounts for; limits of that cgroup count, or none.";
    OOM = "containers.oom-kill-off", Warning,
        "it is not ended when memory is short",
        "The kernel ends something else, or everything waits.";
    OPEN_EGRESS = "containers.open-egress", Warning,
        "it has a network with a way out",
        "What it reads can be sent to anybody. An internal network, or none, with jail's proxy beside it has \
         the way out that rules allow.";
    HEALTH = "containers.healthcheck", Info,
        "it has no health check",
        "That it hangs is noticed by its users alone.";
    UNHEALTHY = "containers.unhealthy", Warning,
        "its health check fails",
        "It runs, and does not work.";
    RESTARTS = "containers.restart-loop", Warning,
        "it is restarted again and again",
        "It ends soon after every start; what it does until then it does each time.";
    LOGS = "containers.log-rotation", Info,
        "its log grows without end",
        "It can fill the disk by writing to its own output.";
    SECRET = "containers.secret-in-environment", Warning,
        "a secret is in its environment",
        "Whoever may ask the engine reads it, and every process in it inherits it.";
    UNVERIFIED = "containers.unverified", Info,
        "what the kernel says of it cannot be read",
        "Only what the engine was told could be judged. Root sees more.";
}
