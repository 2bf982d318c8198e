// SPDX-License-Identifier: Apache-2.0

// containerd's own tests of a snapshotter, and its own filters, against the real daemon through its
// socket. Every case has a daemon of its own on an empty root, because the cases use the same keys.
package snapshotter_suite

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"sort"
	"strings"
	"syscall"
	"testing"
	"time"

	snapshotsapi "github.com/containerd/containerd/api/services/snapshots/v1"
	"github.com/containerd/containerd/errdefs"
	"github.com/containerd/containerd/filters"
	"github.com/containerd/containerd/mount"
	"github.com/containerd/containerd/pkg/testutil"
	"github.com/containerd/containerd/snapshots"
	"github.com/containerd/containerd/snapshots/proxy"
	"github.com/containerd/containerd/snapshots/testsuite"
	"github.com/containerd/continuity/fs/fstest"
	"google.golang.org/grpc"
)

const startTimeout = 30 * time.Second
const stopTimeout = 30 * time.Second

// startDaemon runs lazy-snapshotter below root. The returned function stops it, and says when it did
// not end well.
func startDaemon(ctx context.Context, root string) (snapshots.Snapshotter, func() error, error) {
	// Beside root: the path of a socket has 107 bytes at most.
	address := filepath.Join(filepath.Dir(root), "s")
	log, err := os.Create(filepath.Join(filepath.Dir(root), "log"))
	if err != nil {
		return nil, nil, err
	}
	defer log.Close()
	daemon := exec.Command(os.Getenv("LAZY_SNAPSHOTTER"), "--root", root, "--address", address)
	daemon.Stdout, daemon.Stderr = log, log
	// A test that is killed takes its daemons along.
	daemon.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := daemon.Start(); err != nil {
		return nil, nil, err
	}
	stop := func() error { return stopDaemon(daemon, log.Name()) }
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	// Or else gRPC finds nobody there, and tries again after a second.
	for _, err := os.Stat(address); err != nil && ctx.Err() == nil; _, err = os.Stat(address) {
		time.Sleep(5 * time.Millisecond)
	}
	connection, err := grpc.DialContext(ctx, "unix://"+address, grpc.WithInsecure(), grpc.WithBlock())
	if err != nil {
		stop()
		return nil, nil, fmt.Errorf("lazy-snapshotter did not start: %w", err)
	}
	client := snapshotsapi.NewSnapshotsClient(connection)
	return proxy.NewSnapshotter(client, "overlayfs"), func() error {
		connection.Close()
		return stop()
	}, nil
}

func stopDaemon(daemon *exec.Cmd, logPath string) error {
	daemon.Process.Signal(syscall.SIGTERM)
	killer := time.AfterFunc(stopTimeout, func() { daemon.Process.Kill() })
	defer killer.Stop()
	if err := daemon.Wait(); err != nil {
		log, _ := os.ReadFile(logPath)
		return fmt.Errorf("lazy-snapshotter: %w\n%s", err, log)
	}
	return nil
}

func TestSnapshotterSuite(t *testing.T) {
	// The name tells the suite what overlayfs cannot do: rename a directory of a lower layer.
	testsuite.SnapshotterSuite(t, "overlayfs", startDaemon)
}

// TestRename stands for the suite's own case of that name, which Debian's containerd skips whatever
// the snapshotter is: files of a lower layer are renamed, and renamed over.
func TestRename(t *testing.T) {
	ctx := context.Background()
	directory := t.TempDir()
	snapshotter, stop, err := startDaemon(ctx, filepath.Join(directory, "root"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := stop(); err != nil {
			t.Error(err)
		}
	}()
	layers := []fstest.Applier{
		fstest.Apply(
			fstest.CreateDir("/dir", 0700),
			fstest.CreateFile("/dir/kept", []byte("the first"), 0644),
			fstest.CreateFile("/dir/moved", []byte("the second"), 0600)),
		fstest.Apply(
			fstest.CreateFile("/dir/new", []byte("another"), 0644),
			fstest.Rename("/dir/new", "/dir/kept"),
			fstest.Rename("/dir/moved", "/away"),
			fstest.CreateDir("/other", 0755),
			fstest.Rename("/other", "/renamed")),
	}
	parent := ""
	for i, layer := range layers {
		target := filepath.Join(directory, fmt.Sprint("mount-", i))
		if err := os.Mkdir(target, 0755); err != nil {
			t.Fatal(err)
		}
		mounts, err := snapshotter.Prepare(ctx, target, parent)
		if err != nil {
			t.Fatal(err)
		}
		if err := mount.All(mounts, target); err != nil {
			t.Fatal(err)
		}
		err = layer.Apply(target)
		if err == nil {
			err = fstest.CheckDirectoryEqualWithApplier(target, fstest.Apply(layers[:i+1]...))
		}
		testutil.Unmount(t, target)
		if err != nil {
			t.Fatalf("layer %d: %v", i, err)
		}
		parent = fmt.Sprint("layer-", i)
		if err := snapshotter.Commit(ctx, parent, target); err != nil {
			t.Fatal(err)
		}
	}
}

// infos are snapshots with all kinds of labels.
func infos(ctx context.Context, t *testing.T, snapshotter snapshots.Snapshotter) []snapshots.Info {
	labels := func(pairs ...string) snapshots.Opt {
		all := map[string]string{}
		for i := 0; i+1 < len(pairs); i += 2 {
			all[pairs[i]] = pairs[i+1]
		}
		return snapshots.WithLabels(all)
	}
	check := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	prepare := func(key, parent string, opt snapshots.Opt) {
		_, err := snapshotter.Prepare(ctx, key, parent, opt)
		check(err)
	}
	prepare("base-key", "", labels())
	check(snapshotter.Commit(ctx, "base", "base-key",
		labels("containerd.io/snapshot.ref", "sha256:00ff", "a", "1")))
	prepare("testsuite/1/child", "base", labels("a", "2", "b.c", "x,y", "text", "two words"))
	prepare("quoted \"name\"", "", labels("a", "10", "empty", "", "text", "ümlaut\nline"))
	_, err := snapshotter.View(ctx, "look", "base", labels("b.c", "", "path", "/usr/bin"))
	check(err)
	return walk(ctx, t, snapshotter)
}

func walk(ctx context.Context, t *testing.T, snapshotter snapshots.Snapshotter, fs ...string) []snapshots.Info {
	var found []snapshots.Info
	if err := snapshotter.Walk(ctx, func(_ context.Context, info snapshots.Info) error {
		found = append(found, info)
		return nil
	}, fs...); err != nil {
		t.Fatalf("%q: %v", fs, err)
	}
	return found
}

// adapt is what containerd's own stores of snapshots give its filters to look at.
func adapt(info snapshots.Info) filters.Adaptor {
	return filters.AdapterFunc(func(path []string) (string, bool) {
		switch path[0] {
		case "kind":
			return strings.ToLower(info.Kind.String()), true
		case "name":
			return info.Name, true
		case "parent":
			return info.Parent, true
		case "labels":
			value, ok := info.Labels[strings.Join(path[1:], ".")]
			return value, ok
		}
		return "", false
	})
}

var filterCases = [][]string{
	{}, {""}, {"name==base"}, {"name==base", "kind==view"}, {"kind==active"}, {"kind!=active"}, {"kind"},
	{"kind==Active"}, {"parent==base"}, {"parent"}, {`parent==""`}, {"parent!=base,kind==active"},
	{"labels.a"}, {"labels.a==1"}, {"labels.a!=1"}, {"labels.a~=^1"}, {"labels.a~=0$,kind==active"},
	{`labels."b.c"=="x,y"`}, {`labels.b.c=="x,y"`}, {`labels."b.c"`}, {"labels.b.c==x,y"}, {"labels"},
	{`labels."containerd.io/snapshot.ref"==sha256:00ff,parent==""`}, {"labels.missing"}, {"labels.missing!=x"},
	{"labels.missing~=."}, {"labels.missing~=^$"}, {"labels.empty"}, {`labels.text=="two words"`},
	{`labels.text~="\\s"`}, {"labels.text~=/two.words/"}, {"labels.text~=|two (words|more)|"},
	{`labels.path~=/^\/usr/`}, {"labels.path==/usr/bin"}, {`labels.text=="\u00fcmlaut\nline"`},
	{`labels.text=="\xc3\xbcmlaut\012line"`}, {`name=="quoted \"name\""`}, {`name~=/"name"$/`},
	{" name == base "}, {"name ==base , kind== committed"}, {`"name"==base`}, {"unknown==x"}, {"unknown"},
	{"unknown!=x"}, {"name==testsuite/1/child"}, {"name~=(?i)BASE"}, {"name~=[[:alpha:]]+"}, {`name~="\\Aba"`},
	{"name==a==b"}, {"name==base!"}, {"name==ümlaut"}, {"name==a.b=c!~|/"}, {"name==a\"b"}, {"name==\ta"},
	// What neither takes.
	{"name="}, {"name==="}, {"name=="}, {"=="}, {"name=x"}, {"name,"}, {",name"}, {"name name"}, {"name..x"}, {"name."},
	{".name"}, {"name~="}, {`name=="x`}, {`name=="\q"`}, {"name==/x/"}, {"name==|x|"},
	{"na-me==x"}, {"name==base", "name="}, {`name=="x"y`}, {`name=="\u12"`}, {`name=="\400"`}, {"!name"}, {"name!"},
	{"näme==x"}, {"name==base kind==view"},
	{"name==base "}, {"name "}, {"name .x==y"}, {"name==base ,kind"}, {"name== =x"}, {"name==.x"}, {"name==\x01"},
	{"name==a\x01b"}, {"name==a\x7f"}, {"name\x00"},
}

// TestFilters: List understands a filter exactly as containerd's own parser does. (But for regular
// expressions that cannot be compiled: they are an error here, and match nothing there.)
func TestFilters(t *testing.T) {
	ctx := context.Background()
	directory := t.TempDir()
	snapshotter, stop, err := startDaemon(ctx, filepath.Join(directory, "root"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := stop(); err != nil {
			t.Error(err)
		}
	}()
	all := infos(ctx, t, snapshotter)
	for _, texts := range filterCases {
		filter, wrong := filters.ParseAll(texts...)
		if wrong != nil {
			err := snapshotter.Walk(ctx, func(context.Context, snapshots.Info) error { return nil }, texts...)
			if !errdefs.IsInvalidArgument(err) {
				t.Errorf("%q: containerd says %v, lazy-snapshotter %v", texts, wrong, err)
			}
			continue
		}
		expected, found := []string{}, []string{}
		for _, info := range all {
			if filter.Match(adapt(info)) {
				expected = append(expected, info.Name)
			}
		}
		for _, info := range walk(ctx, t, snapshotter, texts...) {
			found = append(found, info.Name)
		}
		sort.Strings(expected)
		sort.Strings(found)
		if !reflect.DeepEqual(expected, found) {
			t.Errorf("%q: containerd finds %q, lazy-snapshotter %q", texts, expected, found)
		}
	}
}
