// Command load opens sockets by the thousand and tells what they cost: against
// servers of both bindings, against the same libraries with a hand-written check,
// and against socketio-jwt and @thream/socketio-jwt in Node. Each server is
// a separate process, pinned to one processor, with the clients on another.
//
//	go run . compare            # processor time of each server, in one run
//	go run . compare -idle 5000 # memory of idle sockets
//	go run . compare -sockets 1000,10000 # events, broadcasts, memory, leaving; beside Node's
//	go run . churn -n 30000     # connects and refusals, and what is left of them
//	go run . attack             # how honest clients fare while others misbehave
//	go run . soak -for 30m      # everything a client may do, at a steady rate
//	go run . faults             # issuer, Redis and network fail in turn
//	go run . scale              # open sockets by the thousand: events, broadcasts, memory, leaving
//	go run . scale -trunks -sockets 1000,50000 # more of them than a process may open files
//	go run . crash -n 2000      # one of two nodes is killed: everybody comes back
//	go run . away               # Redis and networks fail: 1,000 clients come back by themselves
//	go run . spread             # broadcasts across three nodes, beside Node's adapter
//
// It is a separate module, so that users do not inherit what it is measured beside.
package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"text/tabwriter"
)

// commands are what the program does, by name. Each parses its own flags.
var commands = map[string]func(args []string, out io.Writer) error{
	"compare": compare,
	"churn":   churn,
	"attack":  attack,
	"soak":    soak,
	"faults":  faults,
	"scale":   scale,
	"crash":   crash,
	"spread":  spread,
	"away":    away,
}

const usage = "usage: load compare|churn|attack|soak|faults|scale|crash|away|spread [flags], and -h for the flags of each"

func main() {
	if len(os.Args) < 2 {
		fail(usage)
	}
	name, args := os.Args[1], os.Args[2:]
	if name == "serve" { // a server of another command's
		if err := serve(args, os.Stdin, os.Stdout); err != nil {
			fail(err)
		}
		return
	}
	run, ok := commands[name]
	if !ok {
		fail(usage)
	}
	if name != "soak" { // which measures no processor time
		pin()
	}
	if err := run(args, os.Stdout); err != nil {
		fail(err)
	}
}

func fail(what any) {
	fmt.Fprintln(os.Stderr, "load:", what)
	os.Exit(1)
}

// pinned marks a process that has its processor.
const pinned = "SOCKETIO_JWT_LOAD_PINNED"

// pin begins this process anew on the first processor, where there is taskset.
// Its servers get the second.
func pin() {
	taskset, err := exec.LookPath("taskset")
	if err != nil || os.Getenv(pinned) != "" {
		return
	}
	self, err := os.Executable()
	if err != nil {
		return
	}
	_ = syscall.Exec(taskset, append([]string{"taskset", "-c", "0", self}, os.Args[1:]...), append(os.Environ(), pinned+"=1"))
}

// flags makes the flags of a command.
func flags(name string) *flag.FlagSet {
	return flag.NewFlagSet("load "+name, flag.ContinueOnError)
}

// begin parses a command's flags, and makes what signs its tokens and the table that it
// fills, whose first row is the columns. Flush the table at the end.
func begin(f *flag.FlagSet, args []string, out io.Writer, columns string) (*minter, *tabwriter.Writer, error) {
	if err := f.Parse(args); err != nil {
		return nil, nil, err
	}
	m, err := newMinter("HS256")
	if err != nil {
		return nil, nil, err
	}
	table := tabwriter.NewWriter(out, 14, 0, 2, ' ', 0)
	fmt.Fprintln(table, columns)
	return m, table, nil
}

// list is a flag of names with commas between.
func list(f *flag.FlagSet, name, value, usage string) func() []string {
	s := f.String(name, value, usage)
	return func() []string {
		if *s == "" {
			return nil
		}
		return strings.Split(*s, ",")
	}
}
