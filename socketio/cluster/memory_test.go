package cluster_test

import (
	"testing"

	"github.com/seed15b1dee8/socketio-jwt/socketio/cluster"
	"github.com/seed15b1dee8/socketio-jwt/socketio/cluster/clustertest"
)

func TestMemory(t *testing.T) {
	m := cluster.NewMemory()
	clustertest.RunBroker(t, func(*testing.T) cluster.Broker { return m })
}
