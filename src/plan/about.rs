//! What each stage is for: the text behind `docs/stages.md`.
//!
//! `needs` is what an earlier stage left, `gives` what a later one may rely on, `not_yet` what must
//! still be possible when this stage is done. A stage that is moved must keep all three true.

use super::Stage;

/// One stage in words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct About {
    pub stage: Stage,
    /// The process that does it.
    pub by: &'static str,
    pub does: &'static str,
    pub needs: &'static str,
    pub gives: &'static str,
    pub not_yet: &'static str,
}

impl Stage {
    /// This stage in words.
    pub fn about(self) -> &'static About {
        &ABOUT[self as usize]
    }
}

const ABOUT: [About; Stage::ALL.len()] = [
    About {
        stage: Stage::Resolve,
        by: "supervisor",
        does: "Finds the command as the user's shell would, and every file that it needs to start; then \
               decides the whole plan.",
        needs: "the policy, and read access to the host with the user's rights",
        gives: "a plan: later stages decide nothing",
        not_yet: "start or write anything: `jail explain` and `--dry-run` stop here",
    },
    About {
        stage: Stage::Secrets,
        by: "supervisor",
        does: "Reads each secret from where the manifest says: a file, a descriptor, a variable or a \
               command of the host.",
        needs: "the supervisor's own rights",
        gives: "values in memory, which are in no plan, log or error",
        not_yet: "clone: the child must find the values ready, since it allocates nothing",
    },
    About {
        stage: Stage::Cgroup,
        by: "supervisor",
        does: "Makes the run's own cgroup (version 2), writes its limits and reads them back. Orphans of \
               killed supervisors are removed.",
        needs: "a delegated cgroup; where there is none the plan has gaps, or refused the run",
        gives: "a folder descriptor that the jail is born into",
        not_yet: "put a process there: writing to cgroup.procs waits for the kernel",
    },
    About {
        stage: Stage::Namespaces,
        by: "supervisor",
        does: "One clone3 makes init with every namespace at once: user, pid, mount, net, ipc, uts, \
               cgroup, and time where the kernel has it. (With `--sandbox=landlock` none; id-map, network \
               and pivot have no steps then, and mounts makes the folder of the run.)",
        needs: "a single thread, and every signal blocked",
        gives: "init, with a pidfd and a report pipe; it has all capabilities in its user namespace",
        not_yet: "lose those capabilities: mounts, ids and the loopback interface need them",
    },
    About {
        stage: Stage::Lifeline,
        by: "init",
        does: "Asks for SIGKILL at the supervisor's death, leaves at once if it is dead already, and starts a \
               session of its own. Without a pid namespace init outlives the supervisor for as long as it \
               takes to end all that descends from it.",
        needs: "to be the supervisor's direct child",
        gives: "from here on nothing outlives the supervisor",
        not_yet: "change user or group: that would clear the request",
    },
    About {
        stage: Stage::IdMap,
        by: "init",
        does: "Denies setgroups and maps one user and one group, the caller's, to 1000; reads the ids \
               back.",
        needs: "the new user namespace, in which init may map its own id without a helper",
        gives: "one user inside: there is no other to become",
        not_yet: "give up capabilities",
    },
    About {
        stage: Stage::Network,
        by: "init",
        does: "Brings the loopback interface up; with a way out, joins the jail by a veth pair to a namespace \
               in which nothing but the egress process's sockets live, and hands those out.",
        needs: "CAP_NET_ADMIN in the new network namespace; veth for a way out",
        gives: "a network of one host, or one in which every address is the proxy",
        not_yet: "filter sockets: this stage opens some",
    },
    About {
        stage: Stage::Process,
        by: "init",
        does: "Joins a fresh session keyring, sets OOM score, nice value and host name, and closes what \
               sysctls of the new namespaces can close.",
        needs: "the host's /proc, still writable for these namespaces",
        gives: "settings that every process of the jail inherits",
        not_yet: "hide /proc",
    },
    About {
        stage: Stage::Mounts,
        by: "init",
        does: "Builds the new root from the plan: every host path is opened without following links, \
               compared with what the plan saw, and attached with its final flags.",
        needs: "CAP_SYS_ADMIN, and the host's paths still in view",
        gives: "a finished, sealed root beside the old one",
        not_yet: "restrict path access: the host's paths are still being opened",
    },
    About {
        stage: Stage::Pivot,
        by: "init",
        does: "Makes the new root the root, detaches the host's, and reads the flags of every mount back.",
        needs: "the finished root",
        gives: "a view without the host",
        not_yet: "drop CAP_SYS_ADMIN before the detach",
    },
    About {
        stage: Stage::Capabilities,
        by: "init",
        does: "Locks the securebits, drops the bounding set and empties all other sets; reads them back.",
        needs: "CAP_SETPCAP until its last step",
        gives: "no capability, and no way to gain one by executing something",
        not_yet: "anything: from here on no mount, id or interface can be changed",
    },
    About {
        stage: Stage::NoNewPrivs,
        by: "init",
        does: "Sets no_new_privs and becomes undumpable.",
        needs: "nothing",
        gives: "what Landlock and seccomp ask of a process without privileges; init's memory is hidden",
        not_yet: "rely on this after exec: exec makes the connector, not init, dumpable again",
    },
    About {
        stage: Stage::Landlock,
        by: "init",
        does: "Repeats on the kernel's objects what the mounts say: files, TCP, abstract sockets and \
               signals, as far as the kernel's ABI goes. Without namespaces the payload does it, on the host's \
               paths, so that init stays out of the connector's domain.",
        needs: "no_new_privs, and the final mounts",
        gives: "a second wall; mounts cannot be changed any more",
        not_yet: "close the files that the payload opens itself: there are none",
    },
    About {
        stage: Stage::Payload,
        by: "init",
        does: "Starts the payload, which shares init's memory until it execs. init sleeps until then; \
               afterwards it closes all but its report pipe, loads its own small filter, reaps, and \
               passes signals on. When the connector ends, init kills and reaps what it left.",
        needs: "every wall of init: the payload inherits them",
        gives: "a pid 1 that can do nothing but reap and report",
        not_yet: "filter the payload: its last steps need more than a connector may",
    },
    About {
        stage: Stage::Limits,
        by: "payload",
        does: "A session of its own, stderr onto the relay (or all three streams onto the \
               pseudo-terminal), descriptors close at exec, signal mask, resource limits, working folder.",
        needs: "the descriptors that init got from the supervisor",
        gives: "nothing but stdin, stdout and stderr survives exec",
        not_yet: "close the report pipe: the proof is written to it",
    },
    About {
        stage: Stage::Seccomp,
        by: "payload",
        does: "Loads the profile of system calls. Before it, the first half of the proof has run.",
        needs: "no_new_privs",
        gives: "the last wall",
        not_yet: "refuse execve and write: exec and the report are still to come",
    },
    About {
        stage: Stage::Proof,
        by: "payload",
        does: "Tries what must fail, in the very process that becomes the connector; one success ends \
               the run.",
        needs: "every wall: part of it runs before seccomp, so that the walls behind the filter are shown \
                to hold by themselves, and part after",
        gives: "the witness that exec asks for; the audit log gets the results",
        not_yet: "run anything of the connector",
    },
    About {
        stage: Stage::Exec,
        by: "payload",
        does: "Waits until the start of the run is in the audit log, then becomes the connector.",
        needs: "a witness of every mechanism; without one it does not compile",
        gives: "the connector, with its environment made from nothing",
        not_yet: "",
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_stage_has_its_own_words() {
        for stage in Stage::ALL {
            assert_eq!(stage.about().stage, *stage);
        }
    }
}
