#!/bin/sh
# Makes the system of an emulated device ready, runs a command in it, and gives out
# what the command left. Whatever fails is said on standard error, and the command
# runs all the same: it says better what it misses.
#
# usage: enter COMMAND ARGUMENT...   in the folder that the command runs in
#   TESTBED_DOCKER=1         start the Docker daemon before
#   TESTBED_KERNEL=RELEASE   leave no other kernel for guests
#   TESTBED_RESULTS=FOLDER   write what is in it afterwards to the port `isolde-results`
#   TESTBED_TERMINAL=1       give the command the terminal /dev/hvc0
#   TESTBED_SIZE="R C"       its first size; more come from the port `isolde-window`
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
HOME=/root
export PATH HOME
say() { echo "testbed: $*" >&2; }

mount -t cgroup2 none /sys/fs/cgroup || say "no cgroups"
for controller in cpuset cpu memory pids io; do
    echo "+$controller" >/sys/fs/cgroup/cgroup.subtree_control || say "no controller $controller"
done
mount -t tmpfs -o mode=755 none /run
mount -t tmpfs -o mode=1777 none /tmp
for module in kvm_amd vhost_vsock overlay loop; do
    modprobe "$module" || say "no driver $module"
done
[ -e /usr/local/bin/isolde ] || ln -s /isolde /usr/local/bin/isolde

if [ -n "$TESTBED_KERNEL" ]; then
    for image in /boot/vmlinu[xz]-*; do
        case $image in
            *"-$TESTBED_KERNEL") ;;
            *) rm "$image" ;;
        esac
    done
fi

port() {
    for found in /sys/class/virtio-ports/*; do
        # That of a terminal has none.
        [ "$(cat "$found/name" 2>/dev/null)" = "$1" ] && echo "/dev/${found##*/}"
    done
}

if [ -n "$TESTBED_DOCKER" ]; then
    dockerd >/var/log/dockerd.log 2>&1 &
    late=$(($(date +%s) + 120))
    until [ -S /run/docker.sock ] && docker info >/dev/null 2>&1; do
        if ! kill -0 "$!" 2>/dev/null || [ "$(date +%s)" -gt "$late" ]; then
            say "dockerd does not start: $(tail -n 1 /var/log/dockerd.log)"
            break
        fi
        sleep 1
    done
fi

if [ -n "$TESTBED_TERMINAL" ]; then
    # A terminal that nobody has open forgets its settings.
    exec 3<>/dev/hvc0
    resize() { stty -F /dev/hvc0 rows "$1" cols "$2" 2>/dev/null; }
    stty -F /dev/hvc0 sane
    # Two words: rows and columns.
    resize $TESTBED_SIZE
    while read -r rows columns; do resize "$rows" "$columns"; done <"$(port isolde-window)" &
    setsid --ctty --wait "$@" </dev/hvc0 >/dev/hvc0 2>&1
else
    "$@"
fi
status=$?

if [ -n "$TESTBED_RESULTS" ] && [ -n "$(ls -A "$TESTBED_RESULTS" 2>/dev/null)" ]; then
    tar --format=ustar --create --file - --directory "$TESTBED_RESULTS" . >"$(port isolde-results)" ||
        say "the results cannot be given out"
fi
exit "$status"
