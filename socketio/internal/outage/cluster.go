package outage

import (
	"errors"
	"fmt"
	"net"
	"os/exec"
	"strings"
	"time"
)

// Cluster is a Redis Cluster: three masters with a replica each.
type Cluster struct {
	Nodes map[string]*Redis // by address
}

// NewCluster starts one and returns when it is complete. A node that is silent for so
// long counts as lost, and half as long ends a link between two nodes.
func NewCluster(silence time.Duration) (*Cluster, error) {
	cli, err := exec.LookPath("redis-cli")
	if err != nil {
		return nil, ErrNoRedis
	}
	c := &Cluster{Nodes: make(map[string]*Redis)}
	args := []string{"--cluster", "create"}
	for range 6 {
		// The port of the cluster's bus is greater by 10,000.
		r, err := newRedis(freePort(10_000), "--cluster-enabled", "yes", "--cluster-node-timeout", fmt.Sprint(silence.Milliseconds()), "--repl-diskless-sync-delay", "0")
		if err != nil {
			c.Close()
			return nil, err
		}
		c.Nodes[r.Address()] = r
		args = append(args, r.Address())
	}
	out, err := exec.Command(cli, append(args, "--cluster-replicas", "1", "--cluster-yes")...).CombinedOutput()
	if err != nil {
		c.Close()
		return nil, fmt.Errorf("redis-cli: %w\n%s", err, out)
	}
	for end := time.Now().Add(30 * time.Second); !c.linked(cli); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			c.Close()
			return nil, errors.New("the nodes of the Redis Cluster are not linked")
		}
	}
	return c, nil
}

// linked reports whether every node has a link to every other one: without it a message
// that is published at one does not reach the subscribers at the other.
func (c *Cluster) linked(cli string) bool {
	for address := range c.Nodes {
		_, port, _ := net.SplitHostPort(address)
		out, err := exec.Command(cli, "-p", port, "cluster", "nodes").Output()
		if err != nil || strings.Count(string(out), " connected") != len(c.Nodes) || strings.Contains(string(out), "handshake") {
			return false
		}
	}
	return true
}

// Addresses are those of its nodes.
func (c *Cluster) Addresses() (all []string) {
	for address := range c.Nodes {
		all = append(all, address)
	}
	return all
}

// Close kills its nodes and removes their files.
func (c *Cluster) Close() {
	for _, r := range c.Nodes {
		r.Close()
	}
}
