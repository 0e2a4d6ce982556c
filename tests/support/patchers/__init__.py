"""Us beside everybody else who patches clients: who they are, the play, the judge, and the page."""
