"""Given names of our customers, in small letters."""

GIVEN_NAMES = frozenset(
    """
    aaron abdul adam adrian agnes ahmed aisha alan albert alejandro alexander alice alina amanda
    amelia amina amir ana andrea andrew angela anita anna anton antonio aria arjun arthur astrid
    beatrice ben benjamin bianca bogdan brian bruno camille carla carlos caroline catherine cecilia
    charles charlotte chloe christian christine clara claudia colin cyril daniel daniela david
    deborah deepak denis diana diego dominik dmitri edith edward elena elias elif elizabeth ella
    emil emily emma eric erik esther eva fatima felix fiona florian francesca francis frank
    frederik gabriel george gerard gemma giulia gregory greta hana hannah hans harold hassan helen
    helena henrik henry hugo ibrahim ida igor ilse imran ines ingrid irene isaac isabel ivan jakob
    james jana jan jasmine javier jennifer jeremy joanna johan johanna john jonas jorge jose josé
    joseph julia julian karen karim karl katarina kenji kevin klara lars laura lea leila leo leon
    liam lina linda lisa louis lucas lucia luis lukas łukasz magda malik manuel marco margaret
    maria marie marina mario marta martin mateo matthew maya mehmet michael mikael miriam mohamed
    monica nadia naomi natalia nathan nicolas nicole nina noah nora olga oliver olivia oscar pablo
    patricia patrick paul pavel pedro peter petra philip priya rachel rafael rahul raj rebecca
    ricardo richard robert rosa ruth samuel sandra sara sarah sebastian sergei simon sofia sophie
    stefan stella stephen susan sven tamara teresa theo thomas tim tomas ursula valeria vanessa
    vera viktor vincent walter wei yara yasmin yusuf zoë zoe
    """.split()  # noqa: SIM905 - one name a string would fill a page
)
