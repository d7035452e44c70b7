"""A client of python-socketio that prints what it sees, one JSON array a line."""
import asyncio
import json
import sys

import socketio


def show(*what):
    print(json.dumps(what), flush=True)


async def main():
    url, plan = sys.argv[1], json.loads(sys.argv[2])
    client = socketio.AsyncClient(reconnection=False)
    state = {'entered': False}

    async def entered():
        state['entered'] = True
        show('whoami', await client.call('whoami', 0, timeout=30))

    @client.event
    async def connect():
        show('connect')
        if 'event' in plan:
            await client.emit('authenticate', {'token': plan['event']})
        else:
            await entered()

    @client.event
    async def connect_error(data):
        show('connect_error', data)

    @client.event
    async def disconnect():
        show('disconnect')

    @client.event
    async def authenticated(*args):
        show('authenticated', *args)
        if state['entered']:
            await asyncio.sleep(plan['after'])
        await entered()

    @client.event
    async def unauthorized(*args):
        show('unauthorized', *args)

    @client.event
    async def token_expiring(data):
        assert isinstance(data['expires_in'], int), data
        show('token_expiring')
        if 'renew' in plan:
            await client.emit('authenticate', {'token': plan['renew']})

    auth = {'token': plan['auth']} if 'auth' in plan else None
    try:
        await client.connect(url, auth=auth, transports=plan.get('transports'), wait_timeout=30)
    except socketio.exceptions.ConnectionError:
        show('over')
        return
    closing = asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
    waiting = asyncio.ensure_future(client.wait())
    await asyncio.wait([closing, waiting], return_when=asyncio.FIRST_COMPLETED)
    if not waiting.done():
        await client.disconnect()
        await waiting
    show('over')


asyncio.run(main())
