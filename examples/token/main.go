// Command token mints tokens, decodes them, and explains whether and why a server refuses
// one. It never sends a token to anybody.
//
//	export SECRET=$(openssl rand -hex 32)
//	go run ./examples/token mint -secret-env SECRET -claims '{"sub":"ada","aud":"chat"}' > token
//	go run ./examples/token decode < token
//	go run ./examples/token explain -secret-env SECRET -audience chat < token
//	go run ./examples/token explain -oidc https://tenant.eu.auth0.com/ -audience https://api.example.com < token
//
//	go run ./examples/token -once    # only a demonstration; fails if any of it does not hold
//
// The token is the last argument, or comes on the standard input, where no history
// of a shell keeps it. The exit status is 0 if the token would be accepted, 1 if it
// would be refused, and 2 if the command itself is invalid.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

const usage = `usage: token mint    how it is signed, what it claims
       token decode  [-json] [token]
       token explain [-json] where the keys are, what is expected [token]
       token -once

The token is the last argument, or comes on the standard input.
"token mint -h" and so on list the options.
`

// errRefused is the error of a token that would be refused.
var errRefused = errors.New("the token would be refused")

// command is a run of the program, with all that it depends on.
type command struct {
	in     io.Reader
	out    io.Writer
	err    io.Writer
	getenv func(string) string
	now    func() time.Time
	color  bool // whether out is a terminal whose user has nothing against colour
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	c := &command{
		in: os.Stdin, out: os.Stdout, err: os.Stderr, getenv: os.Getenv, now: time.Now,
		color: terminal(os.Stdout) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb",
	}
	os.Exit(c.run(ctx, os.Args[1:]))
}

// terminal tells whether a file is one: of the devices there are, the null device
// is the other one that output is sent to.
func terminal(f *os.File) bool {
	info, err := f.Stat()
	null, nullErr := os.Stat(os.DevNull)
	return err == nil && info.Mode()&os.ModeCharDevice != 0 && (nullErr != nil || !os.SameFile(info, null))
}

// run returns the exit status.
func (c *command) run(ctx context.Context, args []string) int {
	if len(args) == 0 {
		fmt.Fprint(c.err, usage)
		return 2
	}
	var err error
	switch args[0] {
	case "mint":
		err = c.mint(args[1:])
	case "decode":
		err = c.decode(args[1:])
	case "explain":
		err = c.explain(ctx, args[1:])
	case "-once", "--once":
		err = c.demonstrate(ctx)
	case "-h", "-help", "--help", "help":
		fmt.Fprint(c.out, usage)
		return 0
	default:
		err = fmt.Errorf("there is no command %q\n%s", args[0], usage)
	}
	switch {
	case err == nil || errors.Is(err, flag.ErrHelp):
		return 0
	case errors.Is(err, errRefused):
		return 1 // the report says so
	}
	fmt.Fprintln(c.err, "token:", err)
	return 2
}

// flags makes a set of options that reports errors to the caller.
func (c *command) flags(name string) *flag.FlagSet {
	f := flag.NewFlagSet("token "+name, flag.ContinueOnError)
	f.SetOutput(c.err)
	return f
}

// maxInput bounds what is read; the verifier's own bound is far below.
const maxInput = 1 << 20

// token returns the token that the command is about, without what is often pasted
// along with it.
func (c *command) token(args []string) (string, error) {
	var text string
	switch len(args) {
	case 0:
		read, err := io.ReadAll(io.LimitReader(c.in, maxInput))
		if err != nil {
			return "", err
		}
		text = string(read)
	case 1:
		text = args[0]
	default:
		return "", fmt.Errorf("%d arguments behind the options: expected one token (options come before it)", len(args))
	}
	text = strings.Trim(strings.TrimSpace(text), `"'`)
	if scheme, rest, ok := strings.Cut(text, " "); ok && (strings.EqualFold(scheme, "bearer") || strings.EqualFold(scheme, "dpop")) {
		text = strings.TrimSpace(rest)
	}
	if text == "" {
		return "", errors.New("there is no token: give one as the last argument, or on the standard input")
	}
	return text, nil
}
