// Shows the page of docs/cookbook.md: see react_test.go.
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { Chat } from './chat.jsx';

const root = createRoot(document.getElementById('root'));
root.render(<StrictMode><Chat /></StrictMode>);
window.leave = () => root.unmount();
