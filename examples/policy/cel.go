package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/cel-go/cel"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
)

// celPolicy decides by one CEL expression for each action. An expression sees the claims
// of the token in force and the name of the event or room.
type celPolicy map[socketio.Action]cel.Program

var _ socketio.Decider = celPolicy(nil)

// compile checks the expressions when the server starts: a mistake is an error then, not
// at the first event.
func compile(expressions map[socketio.Action]string) (celPolicy, error) {
	env, err := cel.NewEnv(
		cel.Variable("claims", cel.MapType(cel.StringType, cel.DynType)),
		cel.Variable("resource", cel.StringType),
	)
	if err != nil {
		return nil, err
	}
	policy := make(celPolicy)
	for action, text := range expressions {
		ast, issues := env.Compile(text)
		if issues.Err() != nil {
			return nil, fmt.Errorf("the policy of %s: %w", action, issues.Err())
		}
		if ast.OutputType() != cel.BoolType {
			return nil, fmt.Errorf("the policy of %s is of the type %s: expected bool", action, ast.OutputType())
		}
		if policy[action], err = env.Program(ast, cel.InterruptCheckFrequency(100), cel.CostLimit(10_000)); err != nil {
			return nil, fmt.Errorf("the policy of %s: %w", action, err)
		}
	}
	return policy, nil
}

var errNoPolicy = errors.New("the policy has no expression for this action")

// Decide evaluates the expression. An error of the evaluation refuses, too: the client is
// told "forbidden".
func (p celPolicy) Decide(ctx context.Context, s *socketio.Session, action socketio.Action, resource string) error {
	program, ok := p[action]
	if !ok {
		return errNoPolicy
	}
	claims := make(map[string]any)
	if err := s.Token().Claims(&claims); err != nil {
		return err
	}
	result, _, err := program.ContextEval(ctx, map[string]any{"claims": claims, "resource": resource})
	if err != nil {
		return err
	}
	if allowed, ok := result.Value().(bool); !ok || !allowed {
		return socketio.ErrForbidden
	}
	return nil
}
