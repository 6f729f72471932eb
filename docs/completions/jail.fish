# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_jail_global_optspecs
    string join \n h/help V/version
end

function __fish_jail_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_jail_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_jail_using_subcommand
    set -l cmd (__fish_jail_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c jail -n "__fish_jail_needs_command" -s h -l help -d 'Print help'
complete -c jail -n "__fish_jail_needs_command" -s V -l version -d 'Print version'
complete -c jail -n "__fish_jail_needs_command" -f -a "run" -d 'Run a connector in a jail: by name (its manifest is .cloned/connectors/NAME.yaml), or a command after `--`'
complete -c jail -n "__fish_jail_needs_command" -f -a "explain" -d 'Show what `jail run NAME` would do: every value with who set it, every step in order'
complete -c jail -n "__fish_jail_needs_command" -f -a "approvals" -d 'Answer what connectors and agents of this workspace ask for'
complete -c jail -n "__fish_jail_needs_command" -f -a "api" -d 'Serve this workspace to programs: rules, approvals, ports, runs and the audit log, over HTTP'
complete -c jail -n "__fish_jail_needs_command" -f -a "console" -d 'See what your connectors do, and answer what they ask for, in a browser'
complete -c jail -n "__fish_jail_needs_command" -f -a "audit" -d 'See what ran, what was refused and how it ended, and check that nobody changed the record'
complete -c jail -n "__fish_jail_needs_command" -f -a "check" -d 'Check manifests, and the firewall\'s files and the registry of ports where no name is given: one line per problem. Ends with 1 where there are problems, with 2 where a file cannot be read'
complete -c jail -n "__fish_jail_needs_command" -f -a "compose" -d 'Judge compose files: what each container may do, and who can reach it'
complete -c jail -n "__fish_jail_needs_command" -f -a "firewall" -d 'Say which hosts the connectors of this workspace may reach'
complete -c jail -n "__fish_jail_needs_command" -f -a "ports" -d 'Say who may bind which port of this machine'
complete -c jail -n "__fish_jail_needs_command" -f -a "why" -d 'Say what a run was refused and why, and what would allow it'
complete -c jail -n "__fish_jail_needs_command" -f -a "ps" -d 'List your connectors that run now in this workspace, oldest first'
complete -c jail -n "__fish_jail_needs_command" -f -a "stop" -d 'End connectors that run'
complete -c jail -n "__fish_jail_needs_command" -f -a "logs" -d 'Print what a connector wrote to stderr, and what jail said about it'
complete -c jail -n "__fish_jail_needs_command" -f -a "proxy" -d 'Serve the way out alone: an HTTP proxy and SOCKS5, for clients that something else confines'
complete -c jail -n "__fish_jail_needs_command" -f -a "mcp" -d 'Serve tools for agents on stdin and stdout (MCP): what may be reached, why something was refused, and a request to reach more'
complete -c jail -n "__fish_jail_needs_command" -f -a "init" -d 'Make a `.cloned` folder with an example manifest and a registry of ports. Nothing that exists is changed'
complete -c jail -n "__fish_jail_needs_command" -f -a "schema" -d 'Print the JSON Schema of a file, for editors'
complete -c jail -n "__fish_jail_needs_command" -f -a "doctor" -d 'Look at everything, and say what is wrong and how to fix it: this machine, its ports, the policy, the record of runs, compose files'
complete -c jail -n "__fish_jail_needs_command" -f -a "seccomp" -d 'Look at the profiles of system calls'
complete -c jail -n "__fish_jail_needs_command" -f -a "completions" -d 'Print the completion script for a shell'
complete -c jail -n "__fish_jail_needs_command" -f -a "container-entry" -d 'The first process of a container that jail runs; of no use elsewhere'
complete -c jail -n "__fish_jail_using_subcommand run" -l report -d 'Write a report of the run to stderr when it ends: what was applied, proven, used' -r -f -a "json\t''"
complete -c jail -n "__fish_jail_using_subcommand run" -l report-file -d 'Write the report to this file instead' -r -F
complete -c jail -n "__fish_jail_using_subcommand run" -l listen -d 'Serve connections on a unix socket, one jailed connector each: unix:PATH' -r
complete -c jail -n "__fish_jail_using_subcommand run" -l read -d 'Let it read this path' -r -F
complete -c jail -n "__fish_jail_using_subcommand run" -l write -d 'Let it read and write this path' -r -F
complete -c jail -n "__fish_jail_using_subcommand run" -l env -d 'Set a variable; without a value it is the one of your own environment' -r
complete -c jail -n "__fish_jail_using_subcommand run" -l allow -d 'Let it reach this host, or all below it (*.example.com); the port is 443 unless given' -r
complete -c jail -n "__fish_jail_using_subcommand run" -l deny -d 'Never let it reach this host, whatever else allows it; at all ports unless one is given' -r
complete -c jail -n "__fish_jail_using_subcommand run" -l network -d 'The way out: proxy (what rules allow) or none' -r
complete -c jail -n "__fish_jail_using_subcommand run" -l unlisted -d 'What happens to hosts that no rule names: deny, or ask (`jail approvals`)' -r
complete -c jail -n "__fish_jail_using_subcommand run" -l publish -d 'Offer a port of it on this machine\'s loopback: 3000, 8080:3000 or 127.0.0.1:8080:3000' -r
complete -c jail -n "__fish_jail_using_subcommand run" -l memory -d 'Memory: 512M, 1G' -r
complete -c jail -n "__fish_jail_using_subcommand run" -l cpus -d 'Processors: 1, 0.5' -r
complete -c jail -n "__fish_jail_using_subcommand run" -l pids -d 'Processes and threads' -r
complete -c jail -n "__fish_jail_using_subcommand run" -l files -d 'Open files per process' -r
complete -c jail -n "__fish_jail_using_subcommand run" -l nice -d 'Politeness, 0 to 19' -r
complete -c jail -n "__fish_jail_using_subcommand run" -l timeout -d 'End it after this time: 30s, 2m' -r
complete -c jail -n "__fish_jail_using_subcommand run" -l eof-grace -d 'How long it may live on after its standard input ended: a time, or `never`' -r
complete -c jail -n "__fish_jail_using_subcommand run" -l seccomp -d 'System calls: a built-in profile, or the path of one' -r
complete -c jail -n "__fish_jail_using_subcommand run" -l sandbox -d 'What confines it: namespace; landlock (weaker, for hosts that forbid user namespaces); container; none' -r
complete -c jail -n "__fish_jail_using_subcommand run" -l image -d 'With --sandbox=container: the image that it runs in. It must be there; none is fetched' -r
complete -c jail -n "__fish_jail_using_subcommand run" -l engine -d 'With --sandbox=container: podman or docker; without it the one that is there, rootless before rootful' -r
complete -c jail -n "__fish_jail_using_subcommand run" -l workspace -d 'What /workspace is: tmpfs[:SIZE], host:PATH or copy:PATH' -r
complete -c jail -n "__fish_jail_using_subcommand run" -l system -d 'The system\'s programs that it sees: usr or minimal' -r
complete -c jail -n "__fish_jail_using_subcommand run" -l scratch -d 'Size of its /tmp and of its HOME' -r
complete -c jail -n "__fish_jail_using_subcommand run" -l allow-missing -d 'Run although these cannot be applied here: memory, cpus, pids, io, landlock; with --sandbox=landlock also signals and user' -r
complete -c jail -n "__fish_jail_using_subcommand run" -l dry-run -d 'Print the plan and stop'
complete -c jail -n "__fish_jail_using_subcommand run" -l json -d 'The plan as JSON (with --dry-run)'
complete -c jail -n "__fish_jail_using_subcommand run" -l trace -d 'Look at its system calls and record those that files, modes and limits refuse; `jail why` then explains them. It runs slower, and is confined the same'
complete -c jail -n "__fish_jail_using_subcommand run" -s t -l tty -d 'Give the connector a pseudo-terminal'
complete -c jail -n "__fish_jail_using_subcommand run" -l i-accept-no-sandbox -d 'With --sandbox=none: run it unjailed, with all your rights'
complete -c jail -n "__fish_jail_using_subcommand run" -s q -l quiet -d 'Say nothing about limits that cannot be enforced here and about what the network was used for; both stay in the report and the audit log'
complete -c jail -n "__fish_jail_using_subcommand run" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c jail -n "__fish_jail_using_subcommand run" -s V -l version -d 'Print version'
complete -c jail -n "__fish_jail_using_subcommand explain" -l read -d 'Let it read this path' -r -F
complete -c jail -n "__fish_jail_using_subcommand explain" -l write -d 'Let it read and write this path' -r -F
complete -c jail -n "__fish_jail_using_subcommand explain" -l env -d 'Set a variable; without a value it is the one of your own environment' -r
complete -c jail -n "__fish_jail_using_subcommand explain" -l allow -d 'Let it reach this host, or all below it (*.example.com); the port is 443 unless given' -r
complete -c jail -n "__fish_jail_using_subcommand explain" -l deny -d 'Never let it reach this host, whatever else allows it; at all ports unless one is given' -r
complete -c jail -n "__fish_jail_using_subcommand explain" -l network -d 'The way out: proxy (what rules allow) or none' -r
complete -c jail -n "__fish_jail_using_subcommand explain" -l unlisted -d 'What happens to hosts that no rule names: deny, or ask (`jail approvals`)' -r
complete -c jail -n "__fish_jail_using_subcommand explain" -l publish -d 'Offer a port of it on this machine\'s loopback: 3000, 8080:3000 or 127.0.0.1:8080:3000' -r
complete -c jail -n "__fish_jail_using_subcommand explain" -l memory -d 'Memory: 512M, 1G' -r
complete -c jail -n "__fish_jail_using_subcommand explain" -l cpus -d 'Processors: 1, 0.5' -r
complete -c jail -n "__fish_jail_using_subcommand explain" -l pids -d 'Processes and threads' -r
complete -c jail -n "__fish_jail_using_subcommand explain" -l files -d 'Open files per process' -r
complete -c jail -n "__fish_jail_using_subcommand explain" -l nice -d 'Politeness, 0 to 19' -r
complete -c jail -n "__fish_jail_using_subcommand explain" -l timeout -d 'End it after this time: 30s, 2m' -r
complete -c jail -n "__fish_jail_using_subcommand explain" -l eof-grace -d 'How long it may live on after its standard input ended: a time, or `never`' -r
complete -c jail -n "__fish_jail_using_subcommand explain" -l seccomp -d 'System calls: a built-in profile, or the path of one' -r
complete -c jail -n "__fish_jail_using_subcommand explain" -l sandbox -d 'What confines it: namespace; landlock (weaker, for hosts that forbid user namespaces); container; none' -r
complete -c jail -n "__fish_jail_using_subcommand explain" -l image -d 'With --sandbox=container: the image that it runs in. It must be there; none is fetched' -r
complete -c jail -n "__fish_jail_using_subcommand explain" -l engine -d 'With --sandbox=container: podman or docker; without it the one that is there, rootless before rootful' -r
complete -c jail -n "__fish_jail_using_subcommand explain" -l workspace -d 'What /workspace is: tmpfs[:SIZE], host:PATH or copy:PATH' -r
complete -c jail -n "__fish_jail_using_subcommand explain" -l system -d 'The system\'s programs that it sees: usr or minimal' -r
complete -c jail -n "__fish_jail_using_subcommand explain" -l scratch -d 'Size of its /tmp and of its HOME' -r
complete -c jail -n "__fish_jail_using_subcommand explain" -l allow-missing -d 'Run although these cannot be applied here: memory, cpus, pids, io, landlock; with --sandbox=landlock also signals and user' -r
complete -c jail -n "__fish_jail_using_subcommand explain" -l json -d 'As JSON'
complete -c jail -n "__fish_jail_using_subcommand explain" -s h -l help -d 'Print help'
complete -c jail -n "__fish_jail_using_subcommand explain" -s V -l version -d 'Print version'
complete -c jail -n "__fish_jail_using_subcommand approvals; and not __fish_seen_subcommand_from list show approve deny revoke dismiss" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c jail -n "__fish_jail_using_subcommand approvals; and not __fish_seen_subcommand_from list show approve deny revoke dismiss" -s V -l version -d 'Print version'
complete -c jail -n "__fish_jail_using_subcommand approvals; and not __fish_seen_subcommand_from list show approve deny revoke dismiss" -f -a "list" -d 'Print what waits for an answer, what was asked for last at the end. A line with `!` says why to look twice'
complete -c jail -n "__fish_jail_using_subcommand approvals; and not __fish_seen_subcommand_from list show approve deny revoke dismiss" -f -a "show" -d 'Print all that is known of one request: who asks for what, since when, how often, and what was answered'
complete -c jail -n "__fish_jail_using_subcommand approvals; and not __fish_seen_subcommand_from list show approve deny revoke dismiss" -f -a "approve" -d 'Say yes. A connection that is held goes on at once; one that was refused goes through when it is tried again'
complete -c jail -n "__fish_jail_using_subcommand approvals; and not __fish_seen_subcommand_from list show approve deny revoke dismiss" -f -a "deny" -d 'Say no. A connection that is held is refused at once'
complete -c jail -n "__fish_jail_using_subcommand approvals; and not __fish_seen_subcommand_from list show approve deny revoke dismiss" -f -a "revoke" -d 'Take an answer back: what was approved is refused again and its connections are cut, what was denied is asked for again'
complete -c jail -n "__fish_jail_using_subcommand approvals; and not __fish_seen_subcommand_from list show approve deny revoke dismiss" -f -a "dismiss" -d 'Take requests off the list without an answer. They come back when they are asked for again'
complete -c jail -n "__fish_jail_using_subcommand approvals; and __fish_seen_subcommand_from list" -l connector -d 'Of this connector only' -r
complete -c jail -n "__fish_jail_using_subcommand approvals; and __fish_seen_subcommand_from list" -l all -d 'What was answered, too'
complete -c jail -n "__fish_jail_using_subcommand approvals; and __fish_seen_subcommand_from list" -l json -d 'Print `{"requests": […]}`. A request has `id`, `connector`, `tool`, `what` (`egress` with `host`, `port`, `private`; or `port` with `service`, `proto`, `at`, `open`), `standing`, `first_at`, `last_at` (seconds since 1970), `times`, `latest`, `running`, `doubts` and `answers`'
complete -c jail -n "__fish_jail_using_subcommand approvals; and __fish_seen_subcommand_from list" -l watch -d 'Go on, and show what changes; with --json a request per line, each time that something of it changes, also when it is answered'
complete -c jail -n "__fish_jail_using_subcommand approvals; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help'
complete -c jail -n "__fish_jail_using_subcommand approvals; and __fish_seen_subcommand_from list" -s V -l version -d 'Print version'
complete -c jail -n "__fish_jail_using_subcommand approvals; and __fish_seen_subcommand_from show" -l json -d 'Print the request as JSON, with the fields of `list --json`'
complete -c jail -n "__fish_jail_using_subcommand approvals; and __fish_seen_subcommand_from show" -s h -l help -d 'Print help'
complete -c jail -n "__fish_jail_using_subcommand approvals; and __fish_seen_subcommand_from show" -s V -l version -d 'Print version'
complete -c jail -n "__fish_jail_using_subcommand approvals; and __fish_seen_subcommand_from approve" -l until -d 'Until then: a time from now (`2h`, `7days`) or a moment (`2026-12-01T00:00:00Z`)' -r
complete -c jail -n "__fish_jail_using_subcommand approvals; and __fish_seen_subcommand_from approve" -l scope -d 'For whom: the tool that asked (without this, where there is one), the connector that asked, or every connector of the workspace' -r -f -a "tool\t'The tool that asked'
connector\t'The connector that asked, whatever tool it stands behind'
global\t'Every connector of the workspace'"
complete -c jail -n "__fish_jail_using_subcommand approvals; and __fish_seen_subcommand_from approve" -l why -d 'Why; kept with the answer' -r
complete -c jail -n "__fish_jail_using_subcommand approvals; and __fish_seen_subcommand_from approve" -l once -d 'For one connection of the run that asked'
complete -c jail -n "__fish_jail_using_subcommand approvals; and __fish_seen_subcommand_from approve" -l session -d 'For the run that asked'
complete -c jail -n "__fish_jail_using_subcommand approvals; and __fish_seen_subcommand_from approve" -l always -d 'For good'
complete -c jail -n "__fish_jail_using_subcommand approvals; and __fish_seen_subcommand_from approve" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c jail -n "__fish_jail_using_subcommand approvals; and __fish_seen_subcommand_from approve" -s V -l version -d 'Print version'
complete -c jail -n "__fish_jail_using_subcommand approvals; and __fish_seen_subcommand_from deny" -l until -d 'Until then: a time from now (`2h`, `7days`) or a moment (`2026-12-01T00:00:00Z`)' -r
complete -c jail -n "__fish_jail_using_subcommand approvals; and __fish_seen_subcommand_from deny" -l scope -d 'For whom: the tool that asked (without this, where there is one), the connector that asked, or every connector of the workspace' -r -f -a "tool\t'The tool that asked'
connector\t'The connector that asked, whatever tool it stands behind'
global\t'Every connector of the workspace'"
complete -c jail -n "__fish_jail_using_subcommand approvals; and __fish_seen_subcommand_from deny" -l why -d 'Why; kept with the answer' -r
complete -c jail -n "__fish_jail_using_subcommand approvals; and __fish_seen_subcommand_from deny" -l once -d 'For one connection of the run that asked'
complete -c jail -n "__fish_jail_using_subcommand approvals; and __fish_seen_subcommand_from deny" -l session -d 'For the run that asked'
complete -c jail -n "__fish_jail_using_subcommand approvals; and __fish_seen_subcommand_from deny" -l always -d 'For good'
complete -c jail -n "__fish_jail_using_subcommand approvals; and __fish_seen_subcommand_from deny" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c jail -n "__fish_jail_using_subcommand approvals; and __fish_seen_subcommand_from deny" -s V -l version -d 'Print version'
complete -c jail -n "__fish_jail_using_subcommand approvals; and __fish_seen_subcommand_from revoke" -l why -d 'Why; kept with the answer' -r
complete -c jail -n "__fish_jail_using_subcommand approvals; and __fish_seen_subcommand_from revoke" -s h -l help -d 'Print help'
complete -c jail -n "__fish_jail_using_subcommand approvals; and __fish_seen_subcommand_from revoke" -s V -l version -d 'Print version'
complete -c jail -n "__fish_jail_using_subcommand approvals; and __fish_seen_subcommand_from dismiss" -s h -l help -d 'Print help'
complete -c jail -n "__fish_jail_using_subcommand approvals; and __fish_seen_subcommand_from dismiss" -s V -l version -d 'Print version'
complete -c jail -n "__fish_jail_using_subcommand api; and not __fish_seen_subcommand_from pair devices" -l listen -d 'Also listen here, for paired devices: 127.0.0.1:PORT or [::1]:PORT. Port 0 takes a free one' -r
complete -c jail -n "__fish_jail_using_subcommand api; and not __fish_seen_subcommand_from pair devices" -l pair -d 'Show a code that pairs a device'
complete -c jail -n "__fish_jail_using_subcommand api; and not __fish_seen_subcommand_from pair devices" -l json -d 'Print `{"unix", "tcp", "code", "pid"}` when it serves, on one line: the socket\'s path, the address as a URL, the code that pairs a device'
complete -c jail -n "__fish_jail_using_subcommand api; and not __fish_seen_subcommand_from pair devices" -l openapi -d 'Print the OpenAPI description and end'
complete -c jail -n "__fish_jail_using_subcommand api; and not __fish_seen_subcommand_from pair devices" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c jail -n "__fish_jail_using_subcommand api; and not __fish_seen_subcommand_from pair devices" -s V -l version -d 'Print version'
complete -c jail -n "__fish_jail_using_subcommand api; and not __fish_seen_subcommand_from pair devices" -f -a "pair" -d 'Show a code that pairs a device with the API that serves this workspace'
complete -c jail -n "__fish_jail_using_subcommand api; and not __fish_seen_subcommand_from pair devices" -f -a "devices" -d 'See and revoke what was paired'
complete -c jail -n "__fish_jail_using_subcommand api; and __fish_seen_subcommand_from pair" -l json -d 'Print `{"code", "seconds"}`'
complete -c jail -n "__fish_jail_using_subcommand api; and __fish_seen_subcommand_from pair" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c jail -n "__fish_jail_using_subcommand api; and __fish_seen_subcommand_from pair" -s V -l version -d 'Print version'
complete -c jail -n "__fish_jail_using_subcommand api; and __fish_seen_subcommand_from devices" -s h -l help -d 'Print help'
complete -c jail -n "__fish_jail_using_subcommand api; and __fish_seen_subcommand_from devices" -s V -l version -d 'Print version'
complete -c jail -n "__fish_jail_using_subcommand api; and __fish_seen_subcommand_from devices" -f -a "list" -d 'List the devices that were paired'
complete -c jail -n "__fish_jail_using_subcommand api; and __fish_seen_subcommand_from devices" -f -a "revoke" -d 'Take a device\'s token no more; what it watches ends'
complete -c jail -n "__fish_jail_using_subcommand console" -l listen -d 'Serve here: 127.0.0.1:PORT or [::1]:PORT; without this a free port of 127.0.0.1' -r
complete -c jail -n "__fish_jail_using_subcommand console" -l open -d 'Open the page in your browser. The code is for you to type: what a program is started with, others can see'
complete -c jail -n "__fish_jail_using_subcommand console" -l json -d 'Print `{"url", "link", "code", "seconds", "pid"}` on one line; `pid` is null where another process serves'
complete -c jail -n "__fish_jail_using_subcommand console" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c jail -n "__fish_jail_using_subcommand console" -s V -l version -d 'Print version'
complete -c jail -n "__fish_jail_using_subcommand audit; and not __fish_seen_subcommand_from show tail verify" -s h -l help -d 'Print help'
complete -c jail -n "__fish_jail_using_subcommand audit; and not __fish_seen_subcommand_from show tail verify" -s V -l version -d 'Print version'
complete -c jail -n "__fish_jail_using_subcommand audit; and not __fish_seen_subcommand_from show tail verify" -f -a "show" -d 'Print events, oldest first'
complete -c jail -n "__fish_jail_using_subcommand audit; and not __fish_seen_subcommand_from show tail verify" -f -a "tail" -d 'Print the last events'
complete -c jail -n "__fish_jail_using_subcommand audit; and not __fish_seen_subcommand_from show tail verify" -f -a "verify" -d 'Check the whole log: each record, their order and the end. Ends with 1 where something was changed or is missing, with 2 where the log cannot be read'
complete -c jail -n "__fish_jail_using_subcommand audit; and __fish_seen_subcommand_from show" -l run -d 'Only this run: its id, the beginning of it, or `last`' -r
complete -c jail -n "__fish_jail_using_subcommand audit; and __fish_seen_subcommand_from show" -l connector -d 'Only runs of this connector' -r
complete -c jail -n "__fish_jail_using_subcommand audit; and __fish_seen_subcommand_from show" -l since -d 'Not before: `2h`, `7days`, or a time such as `2026-11-22T03:04:05Z`' -r
complete -c jail -n "__fish_jail_using_subcommand audit; and __fish_seen_subcommand_from show" -l kind -d 'Only this kind of event' -r -f -a "run-start\t''
applied\t''
denial\t''
run-end\t''
firewall\t''
asked\t''
decision\t''
act\t''"
complete -c jail -n "__fish_jail_using_subcommand audit; and __fish_seen_subcommand_from show" -l file -d 'The log; that of the workspace without this' -r -F
complete -c jail -n "__fish_jail_using_subcommand audit; and __fish_seen_subcommand_from show" -l json -d 'Print the records as they stand in the log, one JSON object per line'
complete -c jail -n "__fish_jail_using_subcommand audit; and __fish_seen_subcommand_from show" -s h -l help -d 'Print help'
complete -c jail -n "__fish_jail_using_subcommand audit; and __fish_seen_subcommand_from show" -s V -l version -d 'Print version'
complete -c jail -n "__fish_jail_using_subcommand audit; and __fish_seen_subcommand_from tail" -s n -l lines -d 'How many' -r
complete -c jail -n "__fish_jail_using_subcommand audit; and __fish_seen_subcommand_from tail" -l file -d 'The log; that of the workspace without this' -r -F
complete -c jail -n "__fish_jail_using_subcommand audit; and __fish_seen_subcommand_from tail" -s f -l follow -d 'Go on with what is written from now on'
complete -c jail -n "__fish_jail_using_subcommand audit; and __fish_seen_subcommand_from tail" -l json -d 'Print the records as they stand in the log, one JSON object per line'
complete -c jail -n "__fish_jail_using_subcommand audit; and __fish_seen_subcommand_from tail" -s h -l help -d 'Print help'
complete -c jail -n "__fish_jail_using_subcommand audit; and __fish_seen_subcommand_from tail" -s V -l version -d 'Print version'
complete -c jail -n "__fish_jail_using_subcommand audit; and __fish_seen_subcommand_from verify" -l json -d 'Print the result as JSON'
complete -c jail -n "__fish_jail_using_subcommand audit; and __fish_seen_subcommand_from verify" -s h -l help -d 'Print help'
complete -c jail -n "__fish_jail_using_subcommand audit; and __fish_seen_subcommand_from verify" -s V -l version -d 'Print version'
complete -c jail -n "__fish_jail_using_subcommand check" -l json -d 'Print the result as JSON'
complete -c jail -n "__fish_jail_using_subcommand check" -s h -l help -d 'Print help'
complete -c jail -n "__fish_jail_using_subcommand check" -s V -l version -d 'Print version'
complete -c jail -n "__fish_jail_using_subcommand compose; and not __fish_seen_subcommand_from check" -s h -l help -d 'Print help'
complete -c jail -n "__fish_jail_using_subcommand compose; and not __fish_seen_subcommand_from check" -s V -l version -d 'Print version'
complete -c jail -n "__fish_jail_using_subcommand compose; and not __fish_seen_subcommand_from check" -f -a "check" -d 'Say what is wrong with the services of a compose file, why, and how to write it instead'
complete -c jail -n "__fish_jail_using_subcommand compose; and __fish_seen_subcommand_from check" -l env-file -d 'Variables, in the place of `.env`; several are read in turn' -r -F
complete -c jail -n "__fish_jail_using_subcommand compose; and __fish_seen_subcommand_from check" -l profile -d 'Judge only what is started with this profile' -r
complete -c jail -n "__fish_jail_using_subcommand compose; and __fish_seen_subcommand_from check" -l fail-on -d 'End with 1 only for findings that are at least this bad' -r -f -a "info\t'Good to know'
warning\t'Somebody should look at it'
error\t'A rule is broken'"
complete -c jail -n "__fish_jail_using_subcommand compose; and __fish_seen_subcommand_from check" -l json -d 'Print JSON (schema `jail.compose/1`) instead of text'
complete -c jail -n "__fish_jail_using_subcommand compose; and __fish_seen_subcommand_from check" -l sarif -d 'Print SARIF 2.1.0 instead of text'
complete -c jail -n "__fish_jail_using_subcommand compose; and __fish_seen_subcommand_from check" -l fix -d 'Mend what can be mended without a question; comments and order stay'
complete -c jail -n "__fish_jail_using_subcommand compose; and __fish_seen_subcommand_from check" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c jail -n "__fish_jail_using_subcommand compose; and __fish_seen_subcommand_from check" -s V -l version -d 'Print version'
complete -c jail -n "__fish_jail_using_subcommand firewall; and not __fish_seen_subcommand_from list allow deny remove check proxy unlisted export" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c jail -n "__fish_jail_using_subcommand firewall; and not __fish_seen_subcommand_from list allow deny remove check proxy unlisted export" -s V -l version -d 'Print version'
complete -c jail -n "__fish_jail_using_subcommand firewall; and not __fish_seen_subcommand_from list allow deny remove check proxy unlisted export" -f -a "list" -d 'Print the rules of this workspace\'s files, in their order; those of manifests are in `jail explain NAME`'
complete -c jail -n "__fish_jail_using_subcommand firewall; and not __fish_seen_subcommand_from list allow deny remove check proxy unlisted export" -f -a "allow" -d 'Allow a host, at port 443 where none is given. The rule is there once: a second time it gets the conditions of the second command line, and keeps its reason unless another is given'
complete -c jail -n "__fish_jail_using_subcommand firewall; and not __fish_seen_subcommand_from list allow deny remove check proxy unlisted export" -f -a "deny" -d 'Deny a host: at all ports where none is given, whatever else allows it'
complete -c jail -n "__fish_jail_using_subcommand firewall; and not __fish_seen_subcommand_from list allow deny remove check proxy unlisted export" -f -a "remove" -d 'Remove the rules that name exactly this, whether they allow or deny; connections that nothing else allows are cut. Ends with 1 where there is no such rule'
complete -c jail -n "__fish_jail_using_subcommand firewall; and not __fish_seen_subcommand_from list allow deny remove check proxy unlisted export" -f -a "check" -d 'Say whether a connector may reach a host, which rule decides that, and what would change it. Ends with 0 where it may and with 1 where it may not'
complete -c jail -n "__fish_jail_using_subcommand firewall; and not __fish_seen_subcommand_from list allow deny remove check proxy unlisted export" -f -a "proxy" -d 'Show, set or unset the proxy that connections to the world go through'
complete -c jail -n "__fish_jail_using_subcommand firewall; and not __fish_seen_subcommand_from list allow deny remove check proxy unlisted export" -f -a "unlisted" -d 'Say what happens to hosts that no rule names: `deny` refuses them, `ask` holds the connection for a moment and asks you (`jail approvals`). Without a word, print what counts'
complete -c jail -n "__fish_jail_using_subcommand firewall; and not __fish_seen_subcommand_from list allow deny remove check proxy unlisted export" -f -a "export" -d 'Print the allowlist as configuration of another program; with `--host`, the registry of ports as rules of this host\'s own firewall'
complete -c jail -n "__fish_jail_using_subcommand firewall; and __fish_seen_subcommand_from list" -l tool -d 'Only what counts for this tool: its own rules and the general ones' -r
complete -c jail -n "__fish_jail_using_subcommand firewall; and __fish_seen_subcommand_from list" -l json -d 'Print `{"rules": […], "unlisted": …, "upstream": …}`. A rule has `effect`, `host`, `port` (null: all), `tool`, `connector` and `run` (null: all), `once`, the `request` that it answers, `raw`, `private`, `ech`, `expires`, `expired`, `reason`, `by`, `at`, `file` and `line`; `unlisted` is `deny` or `ask`; the upstream has `url` and where its `credentials` come from'
complete -c jail -n "__fish_jail_using_subcommand firewall; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help'
complete -c jail -n "__fish_jail_using_subcommand firewall; and __fish_seen_subcommand_from list" -s V -l version -d 'Print version'
complete -c jail -n "__fish_jail_using_subcommand firewall; and __fish_seen_subcommand_from allow" -l tool -d 'For the connector behind this tool only; without this, for all of the workspace' -r
complete -c jail -n "__fish_jail_using_subcommand firewall; and __fish_seen_subcommand_from allow" -l connector -d 'For this connector only, whatever tool it stands behind' -r
complete -c jail -n "__fish_jail_using_subcommand firewall; and __fish_seen_subcommand_from allow" -l reason -d 'Why; kept with the rule' -r
complete -c jail -n "__fish_jail_using_subcommand firewall; and __fish_seen_subcommand_from allow" -l expires -d 'Until when it counts: a time from now (`2h`, `7days`) or a moment (`2026-12-01T00:00:00Z`)' -r
complete -c jail -n "__fish_jail_using_subcommand firewall; and __fish_seen_subcommand_from allow" -l raw -d 'Any bytes: neither TLS nor HTTP is looked for, so that only the address is checked'
complete -c jail -n "__fish_jail_using_subcommand firewall; and __fish_seen_subcommand_from allow" -l private -d 'The host may have addresses that are not of the public internet (loopback, private, link-local)'
complete -c jail -n "__fish_jail_using_subcommand firewall; and __fish_seen_subcommand_from allow" -l ech -d 'The client may hide the name that it asks for (Encrypted Client Hello)'
complete -c jail -n "__fish_jail_using_subcommand firewall; and __fish_seen_subcommand_from allow" -s h -l help -d 'Print help'
complete -c jail -n "__fish_jail_using_subcommand firewall; and __fish_seen_subcommand_from allow" -s V -l version -d 'Print version'
complete -c jail -n "__fish_jail_using_subcommand firewall; and __fish_seen_subcommand_from deny" -l tool -d 'For the connector behind this tool only; without this, for all of the workspace' -r
complete -c jail -n "__fish_jail_using_subcommand firewall; and __fish_seen_subcommand_from deny" -l connector -d 'For this connector only, whatever tool it stands behind' -r
complete -c jail -n "__fish_jail_using_subcommand firewall; and __fish_seen_subcommand_from deny" -l reason -d 'Why; kept with the rule' -r
complete -c jail -n "__fish_jail_using_subcommand firewall; and __fish_seen_subcommand_from deny" -l expires -d 'Until when it counts: a time from now (`2h`, `7days`) or a moment (`2026-12-01T00:00:00Z`)' -r
complete -c jail -n "__fish_jail_using_subcommand firewall; and __fish_seen_subcommand_from deny" -s h -l help -d 'Print help'
complete -c jail -n "__fish_jail_using_subcommand firewall; and __fish_seen_subcommand_from deny" -s V -l version -d 'Print version'
complete -c jail -n "__fish_jail_using_subcommand firewall; and __fish_seen_subcommand_from remove" -l tool -d 'The rules for this tool; without this, those for all' -r
complete -c jail -n "__fish_jail_using_subcommand firewall; and __fish_seen_subcommand_from remove" -l connector -d 'The rules for this connector' -r
complete -c jail -n "__fish_jail_using_subcommand firewall; and __fish_seen_subcommand_from remove" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c jail -n "__fish_jail_using_subcommand firewall; and __fish_seen_subcommand_from remove" -s V -l version -d 'Print version'
complete -c jail -n "__fish_jail_using_subcommand firewall; and __fish_seen_subcommand_from check" -l tool -d 'The connector behind this tool' -r
complete -c jail -n "__fish_jail_using_subcommand firewall; and __fish_seen_subcommand_from check" -l connector -d 'The connector of this name' -r
complete -c jail -n "__fish_jail_using_subcommand firewall; and __fish_seen_subcommand_from check" -l json -d 'Print `{"host", "port", "allowed", "rule", "reason", "code", "change"}`: `rule` as in `list --json` where one decides, `code` and `reason` where it is refused, and the command that would change it'
complete -c jail -n "__fish_jail_using_subcommand firewall; and __fish_seen_subcommand_from check" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c jail -n "__fish_jail_using_subcommand firewall; and __fish_seen_subcommand_from check" -s V -l version -d 'Print version'
complete -c jail -n "__fish_jail_using_subcommand firewall; and __fish_seen_subcommand_from proxy" -l set -d 'The proxy: `http://HOST:PORT` (CONNECT) or `socks5://HOST:PORT`' -r
complete -c jail -n "__fish_jail_using_subcommand firewall; and __fish_seen_subcommand_from proxy" -l credentials-env -d 'With `--set`: the variable of jail\'s environment that holds `user:password`' -r
complete -c jail -n "__fish_jail_using_subcommand firewall; and __fish_seen_subcommand_from proxy" -l credentials-file -d 'With `--set`: the file that holds `user:password`' -r -F
complete -c jail -n "__fish_jail_using_subcommand firewall; and __fish_seen_subcommand_from proxy" -l credentials-command -d 'With `--set`: the program that prints `user:password`; give each of its words with the option' -r
complete -c jail -n "__fish_jail_using_subcommand firewall; and __fish_seen_subcommand_from proxy" -l unset -d 'Connect directly from now on'
complete -c jail -n "__fish_jail_using_subcommand firewall; and __fish_seen_subcommand_from proxy" -l json -d 'Print `{"url", "credentials"}`, or `null` where there is none'
complete -c jail -n "__fish_jail_using_subcommand firewall; and __fish_seen_subcommand_from proxy" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c jail -n "__fish_jail_using_subcommand firewall; and __fish_seen_subcommand_from proxy" -s V -l version -d 'Print version'
complete -c jail -n "__fish_jail_using_subcommand firewall; and __fish_seen_subcommand_from unlisted" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c jail -n "__fish_jail_using_subcommand firewall; and __fish_seen_subcommand_from unlisted" -s V -l version -d 'Print version'
complete -c jail -n "__fish_jail_using_subcommand firewall; and __fish_seen_subcommand_from export" -l format -d 'For which program' -r -f -a "squid\t'Access rules for squid\'s `conf.d`'
envoy\t'A bootstrap of Envoy as forward proxy'
traefik\t'Traefik\'s dynamic configuration: TLS passed through by its server name'
nftables\t'A table for `nft -f`: addresses; names are sets that you fill. With `--host`: ports'
iptables\t'With `--host`: a script that runs iptables and ip6tables'
pf\t'With `--host`: an anchor for pf'"
complete -c jail -n "__fish_jail_using_subcommand firewall; and __fish_seen_subcommand_from export" -l connector -d 'What this connector may reach; without this, what any connector of the workspace may' -r
complete -c jail -n "__fish_jail_using_subcommand firewall; and __fish_seen_subcommand_from export" -l egress-user -d 'With `--host`: a user, by name or number, who only runs jails: may reach name resolution and the ports that rules of this workspace allow, at public addresses unless a rule says `private`. May be given more than once' -r
complete -c jail -n "__fish_jail_using_subcommand firewall; and __fish_seen_subcommand_from export" -l host -d 'The registry of ports as rules of this host\'s own firewall'
complete -c jail -n "__fish_jail_using_subcommand firewall; and __fish_seen_subcommand_from export" -l remove -d 'With `--host`: what removes those rules again'
complete -c jail -n "__fish_jail_using_subcommand firewall; and __fish_seen_subcommand_from export" -l apply -d 'With `--host`: load the rules (with `--remove`, remove them) here and now, look whether they are there, and record it. Needs root'
complete -c jail -n "__fish_jail_using_subcommand firewall; and __fish_seen_subcommand_from export" -l yes -d 'With `--apply`: do not ask'
complete -c jail -n "__fish_jail_using_subcommand firewall; and __fish_seen_subcommand_from export" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c jail -n "__fish_jail_using_subcommand firewall; and __fish_seen_subcommand_from export" -s V -l version -d 'Print version'
complete -c jail -n "__fish_jail_using_subcommand ports; and not __fish_seen_subcommand_from list add remove allocate request" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c jail -n "__fish_jail_using_subcommand ports; and not __fish_seen_subcommand_from list add remove allocate request" -s V -l version -d 'Print version'
complete -c jail -n "__fish_jail_using_subcommand ports; and not __fish_seen_subcommand_from list add remove allocate request" -f -a "list" -d 'Print the registry: every service with its port, and the ranges that are reserved'
complete -c jail -n "__fish_jail_using_subcommand ports; and not __fish_seen_subcommand_from list add remove allocate request" -f -a "add" -d 'Register a service with its port. An entry of the same name that says something else, a port that another service has, and a range that is reserved for another connector are refused'
complete -c jail -n "__fish_jail_using_subcommand ports; and not __fish_seen_subcommand_from list add remove allocate request" -f -a "remove" -d 'Remove a service. Its port is nobody\'s then; whoever listens there goes on. Ends with 1 where there is no such service'
complete -c jail -n "__fish_jail_using_subcommand ports; and not __fish_seen_subcommand_from list add remove allocate request" -f -a "allocate" -d 'Find a free port for a service, register it, and print it: the port alone, on stdout. A service that is registered keeps its port, however often this is called'
complete -c jail -n "__fish_jail_using_subcommand ports; and not __fish_seen_subcommand_from list add remove allocate request" -f -a "request" -d 'Ask the owner of this workspace to register a port. This grants nothing: it is noted, and waits'
complete -c jail -n "__fish_jail_using_subcommand ports; and __fish_seen_subcommand_from list" -l pending -d 'Print what was asked for and is not answered instead, each with the command that grants it'
complete -c jail -n "__fish_jail_using_subcommand ports; and __fish_seen_subcommand_from list" -l json -d 'Print `{"services": […], "reserved": […], "policy": {…}, "pending": NUMBER}`; with --pending `{"pending": […]}`'
complete -c jail -n "__fish_jail_using_subcommand ports; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help'
complete -c jail -n "__fish_jail_using_subcommand ports; and __fish_seen_subcommand_from list" -s V -l version -d 'Print version'
complete -c jail -n "__fish_jail_using_subcommand ports; and __fish_seen_subcommand_from add" -l port -d 'The port of this machine' -r
complete -c jail -n "__fish_jail_using_subcommand ports; and __fish_seen_subcommand_from add" -l proto -d 'tcp or udp; tcp without this' -r
complete -c jail -n "__fish_jail_using_subcommand ports; and __fish_seen_subcommand_from add" -l bind -d 'The address that it listens on; 127.0.0.1 without this' -r
complete -c jail -n "__fish_jail_using_subcommand ports; and __fish_seen_subcommand_from add" -l owner -d 'The user, by name or number, that the socket must belong to' -r
complete -c jail -n "__fish_jail_using_subcommand ports; and __fish_seen_subcommand_from add" -l connector -d 'The connector that may publish it' -r
complete -c jail -n "__fish_jail_using_subcommand ports; and __fish_seen_subcommand_from add" -l container -d 'The container that publishes it' -r
complete -c jail -n "__fish_jail_using_subcommand ports; and __fish_seen_subcommand_from add" -l program -d 'The program that listens: an absolute path, or the last part of one' -r
complete -c jail -n "__fish_jail_using_subcommand ports; and __fish_seen_subcommand_from add" -l note -d 'What it is for' -r
complete -c jail -n "__fish_jail_using_subcommand ports; and __fish_seen_subcommand_from add" -l non-loopback -d 'Other machines may reach it: --bind names an address that is not of the loopback'
complete -c jail -n "__fish_jail_using_subcommand ports; and __fish_seen_subcommand_from add" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c jail -n "__fish_jail_using_subcommand ports; and __fish_seen_subcommand_from add" -s V -l version -d 'Print version'
complete -c jail -n "__fish_jail_using_subcommand ports; and __fish_seen_subcommand_from remove" -l pending -d 'Remove what was asked for under this name instead: the answer is no'
complete -c jail -n "__fish_jail_using_subcommand ports; and __fish_seen_subcommand_from remove" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c jail -n "__fish_jail_using_subcommand ports; and __fish_seen_subcommand_from remove" -s V -l version -d 'Print version'
complete -c jail -n "__fish_jail_using_subcommand ports; and __fish_seen_subcommand_from allocate" -l range -d 'The ports to choose from: 3100-3199. Without this they are those that are reserved for the connector; else those from 10000 up that the kernel does not give to clients' -r
complete -c jail -n "__fish_jail_using_subcommand ports; and __fish_seen_subcommand_from allocate" -l proto -d 'tcp or udp; tcp without this' -r
complete -c jail -n "__fish_jail_using_subcommand ports; and __fish_seen_subcommand_from allocate" -l bind -d 'The address that it listens on; 127.0.0.1 without this' -r
complete -c jail -n "__fish_jail_using_subcommand ports; and __fish_seen_subcommand_from allocate" -l owner -d 'The user, by name or number, that the socket must belong to' -r
complete -c jail -n "__fish_jail_using_subcommand ports; and __fish_seen_subcommand_from allocate" -l connector -d 'The connector that may publish it' -r
complete -c jail -n "__fish_jail_using_subcommand ports; and __fish_seen_subcommand_from allocate" -l container -d 'The container that publishes it' -r
complete -c jail -n "__fish_jail_using_subcommand ports; and __fish_seen_subcommand_from allocate" -l program -d 'The program that listens: an absolute path, or the last part of one' -r
complete -c jail -n "__fish_jail_using_subcommand ports; and __fish_seen_subcommand_from allocate" -l note -d 'What it is for' -r
complete -c jail -n "__fish_jail_using_subcommand ports; and __fish_seen_subcommand_from allocate" -l json -d 'Print the entry as JSON instead: `name`, `proto`, `port`, `bind`, `owner`, `connector`, `container`, `program`, `note`, `file` and `line`'
complete -c jail -n "__fish_jail_using_subcommand ports; and __fish_seen_subcommand_from allocate" -l non-loopback -d 'Other machines may reach it: --bind names an address that is not of the loopback'
complete -c jail -n "__fish_jail_using_subcommand ports; and __fish_seen_subcommand_from allocate" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c jail -n "__fish_jail_using_subcommand ports; and __fish_seen_subcommand_from allocate" -s V -l version -d 'Print version'
complete -c jail -n "__fish_jail_using_subcommand ports; and __fish_seen_subcommand_from request" -l port -d 'The port of this machine' -r
complete -c jail -n "__fish_jail_using_subcommand ports; and __fish_seen_subcommand_from request" -l proto -d 'tcp or udp' -r
complete -c jail -n "__fish_jail_using_subcommand ports; and __fish_seen_subcommand_from request" -l bind -d 'The address that it would listen on' -r
complete -c jail -n "__fish_jail_using_subcommand ports; and __fish_seen_subcommand_from request" -l connector -d 'The connector that would publish it' -r
complete -c jail -n "__fish_jail_using_subcommand ports; and __fish_seen_subcommand_from request" -l reason -d 'What it is for' -r
complete -c jail -n "__fish_jail_using_subcommand ports; and __fish_seen_subcommand_from request" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c jail -n "__fish_jail_using_subcommand ports; and __fish_seen_subcommand_from request" -s V -l version -d 'Print version'
complete -c jail -n "__fish_jail_using_subcommand why" -l json -d 'Print `{"run", "connector", "tool", "command", "since", "ended", "refused", "patch", "not_enforced", "not_recorded"}`; `patch` has `commands` and `manifest`'
complete -c jail -n "__fish_jail_using_subcommand why" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c jail -n "__fish_jail_using_subcommand why" -s V -l version -d 'Print version'
complete -c jail -n "__fish_jail_using_subcommand ps" -l all-workspaces -d 'Those of all workspaces'
complete -c jail -n "__fish_jail_using_subcommand ps" -l json -d 'Print an array of `{"run", "kind", "connector", "tool", "workspace", "pid", "since", "command", "sandbox", "confinement", "listen", "of", "network"}`: `kind` is `run` or `listener`, `of` the listener of a run, `pid` the supervisor\'s, `network` its counters, `null` where there is no way out or where they cannot be read'
complete -c jail -n "__fish_jail_using_subcommand ps" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c jail -n "__fish_jail_using_subcommand ps" -s V -l version -d 'Print version'
complete -c jail -n "__fish_jail_using_subcommand stop" -l timeout -d 'How long a connector may take to end by itself' -r
complete -c jail -n "__fish_jail_using_subcommand stop" -l all -d 'All runs of this workspace, or all of the connectors that are named'
complete -c jail -n "__fish_jail_using_subcommand stop" -l kill -d 'Kill it at once. It has no chance to write what it has in memory'
complete -c jail -n "__fish_jail_using_subcommand stop" -l json -d 'Print an array of `{"run", "connector", "outcome"}`: `outcome` is `asked` (it ended when it was asked), `killed`, `supervisor-killed` (the audit log has no end then), `gone` (it had just ended), `runs` or `out-of-reach` (it runs, and its process cannot be found from here: another PID namespace)'
complete -c jail -n "__fish_jail_using_subcommand stop" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c jail -n "__fish_jail_using_subcommand stop" -s V -l version -d 'Print version'
complete -c jail -n "__fish_jail_using_subcommand logs" -l tail -d 'The last lines only' -r
complete -c jail -n "__fish_jail_using_subcommand logs" -s f -l follow -d 'Go on until the run ends'
complete -c jail -n "__fish_jail_using_subcommand logs" -l raw -d 'The bytes as they came, without bars. To a terminal they do what they say'
complete -c jail -n "__fish_jail_using_subcommand logs" -l json -d 'Print an object for each line: `{"run", "time", "from", "text"}`, `from` is `connector` or `jail`; the last of a run that has ended has `end` with `code` and `how`'
complete -c jail -n "__fish_jail_using_subcommand logs" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c jail -n "__fish_jail_using_subcommand logs" -s V -l version -d 'Print version'
complete -c jail -n "__fish_jail_using_subcommand proxy" -l listen -d 'Where the HTTP proxy listens (CONNECT and plain http://)' -r
complete -c jail -n "__fish_jail_using_subcommand proxy" -l socks -d 'Where SOCKS5 listens' -r
complete -c jail -n "__fish_jail_using_subcommand proxy" -l connector -d 'The connector that rules and the record of runs know its clients by' -r
complete -c jail -n "__fish_jail_using_subcommand proxy" -l tool -d 'The tool whose rules count as well' -r
complete -c jail -n "__fish_jail_using_subcommand proxy" -l allow -d 'Allow this host too; the port is 443 unless given' -r
complete -c jail -n "__fish_jail_using_subcommand proxy" -l audit -d 'The record of runs, in the place of the workspace\'s own' -r -F
complete -c jail -n "__fish_jail_using_subcommand proxy" -l check -d 'Do nothing but look whether something listens there: 0 if so, 1 if not (for health checks)' -r
complete -c jail -n "__fish_jail_using_subcommand proxy" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c jail -n "__fish_jail_using_subcommand proxy" -s V -l version -d 'Print version'
complete -c jail -n "__fish_jail_using_subcommand mcp" -l wait -d 'How long an update waits for your answer before it says that it is pending. Many clients give up on a tool after 60 seconds' -r
complete -c jail -n "__fish_jail_using_subcommand mcp" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c jail -n "__fish_jail_using_subcommand mcp" -s V -l version -d 'Print version'
complete -c jail -n "__fish_jail_using_subcommand init" -s h -l help -d 'Print help'
complete -c jail -n "__fish_jail_using_subcommand init" -s V -l version -d 'Print version'
complete -c jail -n "__fish_jail_using_subcommand schema" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c jail -n "__fish_jail_using_subcommand schema" -s V -l version -d 'Print version'
complete -c jail -n "__fish_jail_using_subcommand doctor; and not __fish_seen_subcommand_from host ports containers" -l fail-on -d 'End with 1 only for findings that are at least this bad' -r -f -a "info\t'Good to know'
warning\t'Somebody should look at it'
error\t'A rule is broken'"
complete -c jail -n "__fish_jail_using_subcommand doctor; and not __fish_seen_subcommand_from host ports containers" -l json -d 'Print JSON (schema `jail.doctor/1`) instead of text'
complete -c jail -n "__fish_jail_using_subcommand doctor; and not __fish_seen_subcommand_from host ports containers" -l fix -d 'Do what is safe: take the right to write to `.cloned` from other users, remove cgroups of killed runs'
complete -c jail -n "__fish_jail_using_subcommand doctor; and not __fish_seen_subcommand_from host ports containers" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c jail -n "__fish_jail_using_subcommand doctor; and not __fish_seen_subcommand_from host ports containers" -s V -l version -d 'Print version'
complete -c jail -n "__fish_jail_using_subcommand doctor; and not __fish_seen_subcommand_from host ports containers" -f -a "host" -d 'Try every kernel feature that jail uses, and say what each missing one costs'
complete -c jail -n "__fish_jail_using_subcommand doctor; and not __fish_seen_subcommand_from host ports containers" -f -a "ports" -d 'Compare the sockets that listen on this machine with the registry of ports'
complete -c jail -n "__fish_jail_using_subcommand doctor; and not __fish_seen_subcommand_from host ports containers" -f -a "containers" -d 'Judge the containers that run here, by `inspect` and by what the kernel says of them'
complete -c jail -n "__fish_jail_using_subcommand doctor; and __fish_seen_subcommand_from host" -l json -d 'Print JSON (schema `jail.doctor.host/1`) instead of a table'
complete -c jail -n "__fish_jail_using_subcommand doctor; and __fish_seen_subcommand_from host" -l apparmor -d 'Print the AppArmor profile that lets this binary make user namespaces, and do nothing else'
complete -c jail -n "__fish_jail_using_subcommand doctor; and __fish_seen_subcommand_from host" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c jail -n "__fish_jail_using_subcommand doctor; and __fish_seen_subcommand_from host" -s V -l version -d 'Print version'
complete -c jail -n "__fish_jail_using_subcommand doctor; and __fish_seen_subcommand_from ports" -l interval -d 'How long `--watch` waits between two looks' -r
complete -c jail -n "__fish_jail_using_subcommand doctor; and __fish_seen_subcommand_from ports" -l fail-on -d 'End with 1 only for findings that are at least this bad' -r -f -a "info\t'Good to know'
warning\t'Somebody should look at it'
error\t'A rule is broken'"
complete -c jail -n "__fish_jail_using_subcommand doctor; and __fish_seen_subcommand_from ports" -l json -d 'Print JSON (schema `jail.doctor.ports/1`) instead of a table'
complete -c jail -n "__fish_jail_using_subcommand doctor; and __fish_seen_subcommand_from ports" -l sarif -d 'Print SARIF 2.1.0, for code hosts and editors'
complete -c jail -n "__fish_jail_using_subcommand doctor; and __fish_seen_subcommand_from ports" -l list -d 'Print the sockets as they were read, one a line, and judge nothing: protocol, state, both ends, holders, user, inode'
complete -c jail -n "__fish_jail_using_subcommand doctor; and __fish_seen_subcommand_from ports" -l jails -d 'Also show what listens in the namespaces of running jails'
complete -c jail -n "__fish_jail_using_subcommand doctor; and __fish_seen_subcommand_from ports" -l watch -d 'Go on, and print what comes and goes; ends on SIGINT, or when nobody reads any more'
complete -c jail -n "__fish_jail_using_subcommand doctor; and __fish_seen_subcommand_from ports" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c jail -n "__fish_jail_using_subcommand doctor; and __fish_seen_subcommand_from ports" -s V -l version -d 'Print version'
complete -c jail -n "__fish_jail_using_subcommand doctor; and __fish_seen_subcommand_from containers" -l engine -d 'podman or docker alone' -r
complete -c jail -n "__fish_jail_using_subcommand doctor; and __fish_seen_subcommand_from containers" -l user -d 'The user that they must run as; any but root without this' -r
complete -c jail -n "__fish_jail_using_subcommand doctor; and __fish_seen_subcommand_from containers" -l fail-on -d 'End with 1 only for findings that are at least this bad' -r -f -a "info\t'Good to know'
warning\t'Somebody should look at it'
error\t'A rule is broken'"
complete -c jail -n "__fish_jail_using_subcommand doctor; and __fish_seen_subcommand_from containers" -l json -d 'Print JSON (schema `jail.doctor.containers/1`) instead of text'
complete -c jail -n "__fish_jail_using_subcommand doctor; and __fish_seen_subcommand_from containers" -l sarif -d 'Print SARIF 2.1.0, for code hosts and editors'
complete -c jail -n "__fish_jail_using_subcommand doctor; and __fish_seen_subcommand_from containers" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c jail -n "__fish_jail_using_subcommand doctor; and __fish_seen_subcommand_from containers" -s V -l version -d 'Print version'
complete -c jail -n "__fish_jail_using_subcommand seccomp; and not __fish_seen_subcommand_from show list" -s h -l help -d 'Print help'
complete -c jail -n "__fish_jail_using_subcommand seccomp; and not __fish_seen_subcommand_from show list" -s V -l version -d 'Print version'
complete -c jail -n "__fish_jail_using_subcommand seccomp; and not __fish_seen_subcommand_from show list" -f -a "show" -d 'List what a built-in profile allows, with the reason for each rule'
complete -c jail -n "__fish_jail_using_subcommand seccomp; and not __fish_seen_subcommand_from show list" -f -a "list" -d 'List every call of an architecture: allowed, for some arguments, or refused with which error'
complete -c jail -n "__fish_jail_using_subcommand seccomp; and __fish_seen_subcommand_from show" -l arch -d 'Architecture to resolve the calls for; that of this machine without it' -r -f -a "x86_64\t''
aarch64\t''"
complete -c jail -n "__fish_jail_using_subcommand seccomp; and __fish_seen_subcommand_from show" -l json -d 'Machine-readable output'
complete -c jail -n "__fish_jail_using_subcommand seccomp; and __fish_seen_subcommand_from show" -l oci -d 'The profile itself, in the OCI format: where one of your own begins'
complete -c jail -n "__fish_jail_using_subcommand seccomp; and __fish_seen_subcommand_from show" -s h -l help -d 'Print help'
complete -c jail -n "__fish_jail_using_subcommand seccomp; and __fish_seen_subcommand_from show" -s V -l version -d 'Print version'
complete -c jail -n "__fish_jail_using_subcommand seccomp; and __fish_seen_subcommand_from list" -l arch -d 'Architecture whose calls are listed; that of this machine without it' -r -f -a "x86_64\t''
aarch64\t''"
complete -c jail -n "__fish_jail_using_subcommand seccomp; and __fish_seen_subcommand_from list" -l json -d 'Machine-readable output'
complete -c jail -n "__fish_jail_using_subcommand seccomp; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help'
complete -c jail -n "__fish_jail_using_subcommand seccomp; and __fish_seen_subcommand_from list" -s V -l version -d 'Print version'
complete -c jail -n "__fish_jail_using_subcommand completions" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c jail -n "__fish_jail_using_subcommand completions" -s V -l version -d 'Print version'
complete -c jail -n "__fish_jail_using_subcommand container-entry" -s h -l help -d 'Print help'
complete -c jail -n "__fish_jail_using_subcommand container-entry" -s V -l version -d 'Print version'
